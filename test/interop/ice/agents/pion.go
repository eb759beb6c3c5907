// pion/ice v2 as an agent that speaks the lines of ../agent.ts: full or lite, trickle, restart, one component, UDP alone.
// Build: GO111MODULE=off GOPATH=/usr/share/gocode go build pion.go
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/pion/ice/v2"
)

var (
	controlling = flag.Bool("controlling", false, "")
	_           = flag.Bool("controlled", false, "")
	lite        = flag.Bool("lite", false, "")
	_           = flag.Bool("remote-lite", false, "")
	trickle     = flag.Bool("trickle", false, "")
	_           = flag.Int("components", 1, "")
	stun        = flag.String("stun", "", "")
)

var output sync.Mutex

func tell(words ...interface{}) {
	output.Lock()
	defer output.Unlock()
	fmt.Println(words...)
}

func check(err error) {
	if err != nil {
		tell("failed", err)
		os.Exit(1)
	}
}

type peer struct {
	agent      *ice.Agent
	conn       *ice.Conn
	connected  chan struct{}
	ufrag, pwd string
	connecting bool
}

func (p *peer) create() {
	config := &ice.AgentConfig{
		NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
		CandidateTypes:   []ice.CandidateType{ice.CandidateTypeHost},
		Lite:             *lite,
	}
	if *stun != "" {
		server, err := ice.ParseURL("stun:" + *stun)
		check(err)
		config.Urls = []*ice.URL{server}
		config.CandidateTypes = append(config.CandidateTypes, ice.CandidateTypeServerReflexive)
	}
	var err error
	p.agent, err = ice.NewAgent(config)
	check(err)
	check(p.agent.OnSelectedCandidatePairChange(func(local, remote ice.Candidate) {
		tell("selected", 1, address(local), address(remote))
	}))
	check(p.agent.OnConnectionStateChange(func(state ice.ConnectionState) {
		if state == ice.ConnectionStateFailed {
			tell("failed", "state")
		}
	}))
}

func address(c ice.Candidate) string { return fmt.Sprintf("%s:%d", c.Address(), c.Port()) }

// gather tells the description and the candidates: these as they come, or all at the end.
func (p *peer) gather() {
	ufrag, pwd, err := p.agent.GetLocalUserCredentials()
	check(err)
	var found []string
	done := make(chan struct{})
	check(p.agent.OnCandidate(func(c ice.Candidate) {
		switch {
		case c == nil:
			close(done)
		case *trickle:
			tell("cand", "candidate:"+c.Marshal())
		default:
			found = append(found, "candidate:"+c.Marshal())
		}
	}))
	if *trickle {
		tell("desc", ufrag, pwd)
	}
	check(p.agent.GatherCandidates())
	<-done
	if !*trickle {
		tell("desc", ufrag, pwd)
		for _, line := range found {
			tell("cand", line)
		}
	}
	tell("eoc")
}

func (p *peer) connect() {
	if p.connecting { // after a restart the checks go on with the new credentials
		check(p.agent.SetRemoteCredentials(p.ufrag, p.pwd))
		return
	}
	p.connecting = true
	go func() {
		connect := p.agent.Accept
		if *controlling {
			connect = p.agent.Dial
		}
		conn, err := connect(context.Background(), p.ufrag, p.pwd)
		check(err)
		p.conn = conn
		close(p.connected)
		packet := make([]byte, 1500)
		for {
			length, err := conn.Read(packet)
			if err != nil {
				return
			}
			tell("data", 1, hex.EncodeToString(packet[:length]))
		}
	}()
}

func main() {
	flag.Parse()
	p := &peer{connected: make(chan struct{})}
	tell("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		line := lines.Text()
		words := strings.Split(line, " ")
		switch words[0] {
		case "start":
			p.create()
			p.gather()
		case "restart":
			check(p.agent.Restart("", ""))
			p.gather()
		case "desc":
			p.ufrag, p.pwd = words[1], words[2]
			if *trickle || p.connecting {
				p.connect()
			}
		case "cand":
			c, err := ice.UnmarshalCandidate(strings.TrimPrefix(line, "cand candidate:"))
			check(err)
			check(p.agent.AddRemoteCandidate(c))
		case "eoc":
			if !*trickle {
				p.connect()
			}
		case "send":
			data, err := hex.DecodeString(words[2])
			check(err)
			<-p.connected
			_, err = p.conn.Write(data)
			check(err)
		}
	}
}
