/* libnice as an agent that speaks the lines of ../agent.ts: full or lite, regular or aggressive nomination, trickle, restart, one
   or two components, UDP alone. Build: cc libnice.c $(pkg-config --cflags --libs nice) */
#include <agent.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
  gboolean controlling, controlled, lite, remote_lite, trickle, aggressive;
  int components;
  char *stun;
} options = {.components = 1};

static NiceAgent *agent;
static guint stream;
/* The peer's half; in vanilla mode it is used when it is complete. */
static char remote_ufrag[257], remote_pwd[257];
static GSList *remote_candidates[3];

static void tell(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void tell(const char *format, ...) {
  va_list words;
  va_start(words, format);
  vprintf(format, words);
  va_end(words);
  putchar('\n');
  fflush(stdout);
}

static void tell_candidate(NiceCandidate *candidate) {
  gchar *line = nice_agent_generate_local_candidate_sdp(agent, candidate);
  tell("cand %s", line + strlen("a="));
  g_free(line);
}

static void tell_description(void) {
  gchar *ufrag, *pwd;
  nice_agent_get_local_credentials(agent, stream, &ufrag, &pwd);
  tell("desc %s %s", ufrag, pwd);
  g_free(ufrag);
  g_free(pwd);
}

static void tell_all(void) {
  tell_description();
  for (int component = 1; component <= options.components; component++) {
    GSList *candidates = nice_agent_get_local_candidates(agent, stream, component);
    for (GSList *item = candidates; item; item = item->next) tell_candidate(item->data);
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
  }
  tell("eoc");
}

static void on_candidate(NiceAgent *from, NiceCandidate *candidate, gpointer data) {
  if (options.trickle) tell_candidate(candidate);
}

static void on_gathered(NiceAgent *from, guint of, gpointer data) {
  if (options.trickle) tell("eoc");
  else tell_all();
}

static void on_selected(NiceAgent *from, guint of, guint component, NiceCandidate *local, NiceCandidate *remote,
                        gpointer data) {
  char ours[INET6_ADDRSTRLEN], theirs[INET6_ADDRSTRLEN];
  nice_address_to_string(&local->addr, ours);
  nice_address_to_string(&remote->addr, theirs);
  tell("selected %u %s:%u %s:%u", component, ours, nice_address_get_port(&local->addr), theirs,
       nice_address_get_port(&remote->addr));
}

static void on_state(NiceAgent *from, guint of, guint component, guint state, gpointer data) {
  if (state == NICE_COMPONENT_STATE_FAILED) tell("failed component %u", component);
}

static void on_data(NiceAgent *from, guint of, guint component, guint length, gchar *bytes, gpointer data) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < length; i++) g_string_append_printf(text, "%02x", (guint8)bytes[i]);
  tell("data %u %s", component, text->str);
  g_string_free(text, TRUE);
}

static void start(void) {
  NiceAgentOption how = NICE_AGENT_OPTION_NONE;
  if (!options.aggressive) how |= NICE_AGENT_OPTION_REGULAR_NOMINATION;
  if (options.lite) how |= NICE_AGENT_OPTION_LITE_MODE;
  if (options.trickle) how |= NICE_AGENT_OPTION_ICE_TRICKLE;
  agent = nice_agent_new_full(NULL, NICE_COMPATIBILITY_RFC5245, how);
  g_object_set(agent, "controlling-mode", options.controlling, "upnp", FALSE, "ice-tcp", FALSE, NULL);
  if (options.stun) {
    gchar **parts = g_strsplit(options.stun, ":", 2);
    g_object_set(agent, "stun-server", parts[0], "stun-server-port", atoi(parts[1]), NULL);
    g_strfreev(parts);
  }
  g_signal_connect(agent, "new-candidate-full", G_CALLBACK(on_candidate), NULL);
  g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(on_gathered), NULL);
  g_signal_connect(agent, "new-selected-pair-full", G_CALLBACK(on_selected), NULL);
  g_signal_connect(agent, "component-state-changed", G_CALLBACK(on_state), NULL);
  stream = nice_agent_add_stream(agent, options.components);
  for (int component = 1; component <= options.components; component++)
    nice_agent_attach_recv(agent, stream, component, NULL, on_data, NULL);
  if (options.trickle) tell_description();
  if (!nice_agent_gather_candidates(agent, stream)) tell("failed gathering");
}

static void use_candidates(void) {
  for (int component = 1; component <= options.components; component++) {
    if (remote_candidates[component])
      nice_agent_set_remote_candidates(agent, stream, component, remote_candidates[component]);
    g_slist_free_full(remote_candidates[component], (GDestroyNotify)nice_candidate_free);
    remote_candidates[component] = NULL;
  }
}

static void add_candidate(const char *text) {
  gchar *line = g_strconcat("a=", text, NULL);
  NiceCandidate *candidate = nice_agent_parse_remote_candidate_sdp(agent, stream, line);
  g_free(line);
  if (!candidate || (int)candidate->component_id > options.components) return;
  GSList **list = &remote_candidates[candidate->component_id];
  *list = g_slist_append(*list, candidate);
  if (options.trickle) use_candidates();
}

static void on_line(char *line) {
  guint component;
  int at;
  if (!strcmp(line, "start")) start();
  else if (!strcmp(line, "restart")) {
    /* The sockets stay; candidates are the same under new credentials. */
    if (!nice_agent_restart(agent)) tell("failed restart");
    tell_all();
  } else if (sscanf(line, "desc %256s %256s", remote_ufrag, remote_pwd) == 2) {
    if (options.trickle) nice_agent_set_remote_credentials(agent, stream, remote_ufrag, remote_pwd);
  } else if (g_str_has_prefix(line, "cand ")) add_candidate(line + strlen("cand "));
  else if (!strcmp(line, "eoc")) {
    if (!options.trickle) nice_agent_set_remote_credentials(agent, stream, remote_ufrag, remote_pwd);
    use_candidates();
    nice_agent_peer_candidate_gathering_done(agent, stream);
  } else if (sscanf(line, "send %u %n", &component, &at) == 1) {
    guint8 bytes[1500];
    guint length = 0;
    for (char *digits = line + at; digits[0] && digits[1] && length < sizeof bytes; digits += 2) {
      char octet[3] = {digits[0], digits[1], 0};
      bytes[length++] = strtol(octet, NULL, 16);
    }
    nice_agent_send(agent, stream, component, length, (gchar *)bytes);
  }
}

static gboolean on_input(GIOChannel *input, GIOCondition condition, gpointer data) {
  gchar *line = NULL;
  gsize end;
  do {
    if (g_io_channel_read_line(input, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) exit(0);
    line[end] = 0;
    on_line(line);
    g_free(line);
  } while (g_io_channel_get_buffer_condition(input) & G_IO_IN);
  return TRUE;
}

int main(int count, char **words) {
  GOptionEntry flags[] = {
      {"controlling", 0, 0, G_OPTION_ARG_NONE, &options.controlling, NULL, NULL},
      {"controlled", 0, 0, G_OPTION_ARG_NONE, &options.controlled, NULL, NULL},
      {"lite", 0, 0, G_OPTION_ARG_NONE, &options.lite, NULL, NULL},
      {"remote-lite", 0, 0, G_OPTION_ARG_NONE, &options.remote_lite, NULL, NULL},
      {"trickle", 0, 0, G_OPTION_ARG_NONE, &options.trickle, NULL, NULL},
      {"aggressive", 0, 0, G_OPTION_ARG_NONE, &options.aggressive, NULL, NULL},
      {"components", 0, 0, G_OPTION_ARG_INT, &options.components, NULL, NULL},
      {"stun", 0, 0, G_OPTION_ARG_STRING, &options.stun, NULL, NULL},
      {NULL}};
  GOptionContext *context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, flags, NULL);
  if (!g_option_context_parse(context, &count, &words, NULL) || options.components > 2) return 2;
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  tell("ready");
  g_io_add_watch(g_io_channel_unix_new(0), G_IO_IN | G_IO_HUP, on_input, NULL);
  g_main_loop_run(loop);
}
