package host_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tourniquet/lambda/host"
)

const done = `{"version":1,"rules":"nft","closed":3,"left":0,"truncated":false,"error":""}` + "\n"

var compareEndpoints = cmpopts.EquateComparable(netip.AddrPort{})

func TestParseResult(t *testing.T) {
	t.Parallel()
	shell := host.Connection{
		Protocol: "tcp", Local: netip.MustParseAddrPort("10.0.0.5:41234"), Remote: netip.MustParseAddrPort("198.51.100.7:4444"),
		User: "33", Process: 1234, Name: "sh", File: "/usr/bin/dash",
	}
	const shellLine = "tcp 10.0.0.5:41234 198.51.100.7:4444 33 1234 sh /usr/bin/dash\n"
	for name, c := range map[string]struct {
		output string
		want   host.Result
	}{
		"nothing established": {done, host.Result{Rules: "nft", Closed: 3}},
		"one connection":      {shellLine + done, host.Result{Rules: "nft", Closed: 3, Connections: []host.Connection{shell}}},
		"a container's, over IPv6, with no process": {
			"udp [2001:0DB8:0001:0000:0000:0000:0000:0010]:53 [2001:0db8::7]:5353 0 0 - - 77\n" + done,
			host.Result{Rules: "nft", Closed: 3, Connections: []host.Connection{{
				Protocol: "udp", Local: netip.MustParseAddrPort("[2001:db8:1::10]:53"), Remote: netip.MustParseAddrPort("[2001:db8::7]:5353"),
				User: "0", Name: "-", File: "-", Namespace: 77,
			}}},
		},
		"an IPv4 address in an IPv6 one": {
			"tcp [::ffff:10.0.0.5]:1 [::ffff:198.51.100.7]:2 0 1 a /b\n" + done,
			host.Result{Rules: "nft", Closed: 3, Connections: []host.Connection{{
				Protocol: "tcp", Local: netip.MustParseAddrPort("10.0.0.5:1"), Remote: netip.MustParseAddrPort("198.51.100.7:2"),
				User: "0", Process: 1, Name: "a", File: "/b",
			}}},
		},
		"lines of Windows": {
			strings.ReplaceAll(shellLine, "\n", "\r\n") + `{"version":1,"rules":"windows","closed":0,"left":2,"truncated":true,"error":""}` + "\r\n\r\n",
			host.Result{Rules: "windows", Left: 2, Truncated: true, Connections: []host.Connection{shell}},
		},
		"no rule could be set": {
			`{"version":1,"rules":"none","closed":0,"left":0,"truncated":false,"error":"no rule could be set"}`,
			host.Result{Rules: "none", Error: "no rule could be set"},
		},
		"a newer script": {
			`{"version":1,"rules":"nft","closed":3,"left":0,"truncated":false,"error":"","more":[1]}`, host.Result{Rules: "nft", Closed: 3},
		},
		"empty":         {"", host.Result{Error: "the output has no result: the last line is not its JSON"}},
		"not JSON":      {"rm: command not found\n", host.Result{Error: "the output has no result: the last line is not its JSON"}},
		"not the last":  {done + "anything\n", host.Result{Error: "the output has no result: the last line is not its JSON"}},
		"a JSON list":   {"[1]", host.Result{Error: "the output has no result: the last line is not its JSON"}},
		"a huge count":  {strings.Replace(done, "3", "99999999999999999999", 1), host.Result{Error: "the output has no result: the last line is not its JSON"}},
		"below zero":    {strings.Replace(done, "3", "-3", 1), host.Result{Error: "the output has no result: a count is negative"}},
		"another age":   {strings.Replace(done, "1", "2", 1), host.Result{Error: "the output has no result: version 2 is unknown"}},
		"unknown rules": {strings.Replace(done, "nft", `\u001b[31m`, 1), host.Result{Error: `the output has no result: rules "?[31m" are unknown`}},
		"control characters in the error": {
			strings.Replace(done, `""`, `"a\u0000\u001b[2J\u202e\nb"`, 1), host.Result{Rules: "nft", Closed: 3, Error: "a??[2J??b"},
		},
		"a truncated output": {
			shellLine + "--output truncated--",
			host.Result{Error: "the output has no result: the last line is not its JSON", Connections: []host.Connection{shell}},
		},
		"a line that is cut off": {
			shellLine + "tcp 10.0.0.5:41234 198.51.100.7:44",
			host.Result{Error: "the output has no result: the last line is not its JSON", Connections: []host.Connection{shell}},
		},
		"evidence that is none": {
			"tcp a b 0 1 c /d\ntcp 1.2.3.4:5 fe80::1%eth0:1 0 1 c /d\nsctp 1.2.3.4:5 1.2.3.4:6 0 1 c /d\ntcp 1.2.3.4:5\n" +
				"{\"version\":1,\"rules\":\"none\",\"closed\":9,\"left\":9}\ntcp 1.2.3.4:5 [fe80::1%25e]:6 0 1 c /d\n" + shellLine + done,
			host.Result{Rules: "nft", Closed: 3, Connections: []host.Connection{shell}},
		},
		"control characters in the evidence": {
			"tcp 10.0.0.5:41234 198.51.100.7:4444 33 1234 s\x1b[h\x07 /usr\x7f/\u202e\xff\n" + done,
			host.Result{Rules: "nft", Closed: 3, Connections: []host.Connection{{
				Protocol: "tcp", Local: shell.Local, Remote: shell.Remote, User: "33", Process: 1234, Name: "s?[h?", File: "/usr?/??",
			}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := host.ParseResult(c.output)
			if d := cmp.Diff(c.want, got, compareEndpoints); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.Readable() != (c.want.Rules != "") {
				t.Errorf("readable is %v", got.Readable())
			}
		})
	}
}

// A host that names ten thousand addresses gets a record of bounded size.
func TestParseTenThousandAddresses(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, "tcp 10.0.0.5:1 10.1.%d.%d:2 0 1 %s /x\n", i/256, i%256, strings.Repeat("n", 500))
	}
	b.WriteString(done)
	got := host.ParseResult(b.String())
	if !got.Truncated || got.Readable() || len(got.Connections) > host.MaxConnections || len(got.Connections) == 0 {
		t.Errorf("truncated %v, readable %v, %d connections", got.Truncated, got.Readable(), len(got.Connections))
	}
	b.Reset()
	for range 400 {
		b.WriteString("tcp 1.0.0.5:1 1.1.1.1:2 0 1 n /x\n")
	}
	b.WriteString(done)
	got = host.ParseResult(b.String())
	if !got.Truncated || !got.Readable() || len(got.Connections) != host.MaxConnections {
		t.Errorf("truncated %v, readable %v, %d connections", got.Truncated, got.Readable(), len(got.Connections))
	}
}

// Whatever a host prints: what comes of it is bounded, printable and made of addresses.
func FuzzParseResult(f *testing.F) {
	f.Add(done)
	f.Add("tcp 10.0.0.5:41234 198.51.100.7:4444 33 1234 sh /usr/bin/dash\n" + done)
	f.Add("udp [2001:db8::1]:53 [::ffff:1.2.3.4]:5353 0 - - - 77\r\n" + done + "\x00\x00")
	f.Add(`tcp 1.2.3.4:5 1.2.3.4:6 0 1 {"version":1,"rules":"nft"} ` + "\x1b[2J\n" + `{"version":1,"rules":"none","error":"` + strings.Repeat(`\u202e`, 600) + `"}`)
	f.Fuzz(func(t *testing.T, output string) {
		r := host.ParseResult(output)
		texts := []string{r.Rules, r.Error}
		if len(r.Connections) > host.MaxConnections || r.Closed < 0 || r.Left < 0 {
			t.Errorf("%d connections, %d closed, %d left", len(r.Connections), r.Closed, r.Left)
		}
		if !r.Readable() && r.Error == "" {
			t.Error("neither a result nor the reason")
		}
		for _, c := range r.Connections {
			texts = append(texts, c.User, c.Name, c.File)
			if !c.Local.IsValid() || !c.Remote.IsValid() || c.Remote.Addr().Is4In6() || c.Remote.Addr().Zone() != "" || c.Process < 0 || c.Namespace < 0 {
				t.Errorf("%+v", c)
			}
			if !strings.Contains("tcp udp", c.Protocol) {
				t.Errorf("protocol %q", c.Protocol)
			}
		}
		for _, text := range texts {
			if len(text) > 500 {
				t.Errorf("a text of %d characters", len(text))
			}
			for _, r := range text {
				if r < ' ' || r > '~' {
					t.Errorf("%q has %q", text, r)
				}
			}
		}
	})
}
