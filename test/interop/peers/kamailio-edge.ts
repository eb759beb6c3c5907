// Routes of a Kamailio that is nothing but an edge (RFC 3327, RFC 5626 5): it puts itself into Path and Record-Route, names the
// flow in both where it keeps flows, and hands everything on to the registrar.

/** @param registrar host:port
 *  @param flows keeps flows; else its Path names the address that the phone is seen at */
export const edgeRoutes = (registrar: string, flows: boolean): string => `
modparam("path", "use_received", 1)
request_route {
  xlog("L_NOTICE", "request $rm $ru from $fU $proto:$si:$sp route=$hdr(Route)\\n");
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (!sanity_check("17895", "7")) exit;
  force_rport();
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (!is_method("ACK")) { if (t_precheck_trans()) { t_check_trans(); exit; } t_check_trans(); }
  if (has_totag()) {
    if (loose_route()) {
      ${flows ? '' : 'if (!isdsturiset()) handle_ruri_alias();'}
      t_relay();
    } else if (is_method("ACK")) {
      if (t_check_trans()) t_relay();
    } else {
      sl_send_reply("404", "Not here");
    }
    exit;
  }
  if (is_method("INVITE|SUBSCRIBE|REFER")) record_route();
  if (@via[2] != "") {
    # From the registrar, along the Path. It is -1 where ours was the only Route.
    loose_route();
    if ($rc == -2) { sl_send_reply("403", "Forbidden"); exit; }
    t_on_failure("FLOW");
    t_relay();
    exit;
  }
  remove_hf("Route");
  $du = "sip:${registrar}";
  if (is_method("REGISTER")) {
    ${flows ? 'add_path();' : 'add_path_received();'}
    t_on_reply("REGISTERED");
  }
  ${flows ? '' : 'else if (is_method("INVITE|UPDATE|SUBSCRIBE|REFER")) add_contact_alias();'}
  t_relay();
}
onreply_route[REGISTERED] {
  if (status =~ "2[0-9][0-9]" && $hdr(Require) =~ "outbound") insert_hf("Flow-Timer: 20\\r\\n", "Call-ID");
}
failure_route[FLOW] {
  if (t_branch_timeout() && !t_branch_replied()) t_reply("430", "Flow Failed");
}
`
