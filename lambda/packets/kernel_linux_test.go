package packets

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tourniquet/lambda/simvpc/world"
)

// kernelScale is how much faster than EC2 the kernel forgets: a minute is one second.
const kernelScale = 60

// aKernel is Linux as a judge: a network namespace for every interface, with its
// groups as nftables rules on the kernel's connection tracking, one for the VPC's
// router, which has the ACLs, one for the NAT gateway, one for the internet gateway
// and one for everybody outside.
type aKernel struct {
	t      testing.TB
	vpc    *VPC // for the ways that flows go; without hosts
	world  settable
	prefix string
	spaces map[string]bool
	flows  map[string]*wire

	tcp     map[netip.AddrPort]*tcpDoor
	udp     map[netip.AddrPort]*udpDoor
	closers []func() error
}

var lastKernel atomic.Int64

// kernelMissing says what this machine lacks for a kernel judge, if anything.
func kernelMissing() string {
	if os.Geteuid() != 0 {
		return "it needs root"
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "it needs the command " + tool
		}
	}
	if out, err := exec.Command("ip", "netns", "add", "tq-try").CombinedOutput(); err != nil {
		return "network namespaces can't be made: " + string(out)
	}
	_ = exec.Command("ip", "netns", "del", "tq-try").Run()
	return ""
}

func newKernel(t testing.TB, w *world.World) judge {
	k := &aKernel{
		t: t, spaces: map[string]bool{}, flows: map[string]*wire{},
		tcp: map[netip.AddrPort]*tcpDoor{}, udp: map[netip.AddrPort]*udpDoor{},
		prefix: fmt.Sprintf("tq%d-%d-", os.Getpid(), lastKernel.Add(1)),
	}
	k.world.set(w)
	k.vpc = &VPC{live: &live{source: &k.world, routes: routesOf(w)}}
	t.Cleanup(k.remove)
	k.build(w)
	k.changed(w)
	return k
}

// ip runs commands of iproute2.
func (k *aKernel) ip(commands ...string) {
	k.t.Helper()
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("ip: %v: %s\n%s", err, out, strings.Join(commands, "\n"))
	}
}

// in runs commands of iproute2 in a namespace.
func (k *aKernel) in(space string, commands ...string) {
	k.t.Helper()
	cmd := exec.Command("ip", "-n", k.prefix+space, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("ip in %s: %v: %s\n%s", space, err, out, strings.Join(commands, "\n"))
	}
}

// nft replaces the rules of a namespace in one step.
func (k *aKernel) nft(space, rules string) {
	k.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", k.prefix+space, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("nft in %s: %v: %s\n%s", space, err, out, rules)
	}
}

func (k *aKernel) space(name string) {
	k.t.Helper()
	k.ip("netns add " + k.prefix + name)
	k.spaces[name] = true
	k.in(name, "link set lo up")
	k.set(name, "net/ipv4/ip_forward", "1")
	k.set(name, "net/ipv6/conf/all/forwarding", "1")
	for _, which := range []string{"all", "default"} {
		k.set(name, "net/ipv4/conf/"+which+"/rp_filter", "0")
		k.set(name, "net/ipv4/conf/"+which+"/send_redirects", "0")
		k.set(name, "net/ipv6/conf/"+which+"/accept_dad", "0") // nobody else has the addresses
	}
}

// set writes a kernel setting of a namespace.
func (k *aKernel) set(space, name, value string) {
	k.t.Helper()
	if err := k.inside(space, func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o600) }); err != nil {
		k.t.Fatal(err)
	}
}

// inside runs f on a thread in a namespace. Sockets that f opens stay there.
func (k *aKernel) inside(space string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Not unlocked: a thread that may be in the wrong namespace ends with the goroutine.
		runtime.LockOSThread()
		file, err := os.Open("/run/netns/" + k.prefix + space)
		if err != nil {
			result <- err
			return
		}
		defer file.Close()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

func (k *aKernel) remove() {
	for _, c := range k.closers {
		_ = c() // the end is the point
	}
	for name := range k.spaces {
		_ = exec.Command("ip", "netns", "del", k.prefix+name).Run() // the rest are removed all the same
	}
}

const (
	outside  = "outside"
	gateway  = "igw"
	router   = "router"
	translat = "nat"
)

// build makes the namespaces and the cables between them.
func (k *aKernel) build(w *world.World) {
	for _, name := range []string{outside, gateway, router} {
		k.space(name)
	}
	k.cable(outside, "in", "192.168.1.1/24", "fd01::1/64", gateway, "out", "192.168.1.2/24", "fd01::2/64")
	k.cable(gateway, "in", "192.168.2.1/24", "fd02::1/64", router, "uplink", "192.168.2.2/24", "fd02::2/64")
	k.in(outside, "route add default via 192.168.1.2", "route add ::/0 via fd01::2")
	k.in(gateway, "route add default via 192.168.1.1", "route add ::/0 via fd01::1",
		"route add 10.0.0.0/8 via 192.168.2.2", "route add 2001:db8:1::/48 via fd02::2")
	k.in(router, "route add default via 192.168.2.1", "route add ::/0 via fd02::1")
	for i, s := range w.Subnets {
		br := bridge(i)
		k.in(router, "link add "+br+" type bridge mcast_snooping 0", "link set "+br+" up")
		for _, cidr := range s.CIDRs {
			k.in(router, fmt.Sprintf("address add %s/%d dev %s nodad", cidr.Addr().Next(), cidr.Bits(), br))
		}
	}
	for i, n := range w.Interfaces {
		k.plugIn(w, i, n)
	}
	k.outsiders()
	k.publish(w)
}

// everywhere is the default route's destination in a family.
func everywhere(a netip.Addr) string {
	if a.Is4() {
		return "0.0.0.0/0"
	}
	return "::/0"
}

func bridge(i int) string { return fmt.Sprint("br", i) }

// cable joins two namespaces.
func (k *aKernel) cable(a, devA, a4, a6, b, devB, b4, b6 string) {
	k.ip(fmt.Sprintf("link add %s netns %s%s type veth peer name %s netns %s%s", devA, k.prefix, a, devB, k.prefix, b))
	k.in(a, "link set "+devA+" up", "address add "+a4+" dev "+devA, "address add "+a6+" dev "+devA+" nodad")
	k.in(b, "link set "+devB+" up", "address add "+b4+" dev "+devB, "address add "+b6+" dev "+devB+" nodad")
}

// plugIn gives an interface a namespace on its subnet's bridge. A NAT gateway's one
// translates.
func (k *aKernel) plugIn(w *world.World, i int, n *world.Interface) {
	name := n.ID
	if n.Type == "nat_gateway" {
		name = translat
	}
	at := slices.IndexFunc(w.Subnets, func(s *world.Subnet) bool { return s.ID == n.Subnet })
	s := w.Subnets[at]
	k.space(name)
	port := fmt.Sprint("p", i)
	k.ip(fmt.Sprintf("link add eth0 netns %s%s type veth peer name %s netns %s%s", k.prefix, name, port, k.prefix, router))
	k.in(router, "link set "+port+" master "+bridge(at)+" up")
	k.in(name, "link set eth0 up")
	for _, a := range slices.Concat(n.Private, n.IPv6) {
		for _, cidr := range s.CIDRs {
			if cidr.Contains(a) {
				k.in(name, fmt.Sprintf("address add %s/%d dev eth0 nodad", a, cidr.Bits()), fmt.Sprintf("route add %s via %s", everywhere(a), cidr.Addr().Next()))
			}
		}
	}
	if name != translat {
		k.timeouts(name, n)
		return
	}
	k.nft(name, "table ip nat { chain post { type nat hook postrouting priority 100; masquerade; }; }")
	for other, subnet := range w.Subnets {
		if k.vpc.live.routes.nats[subnet.ID] != nil {
			k.in(router, fmt.Sprintf("rule add iif %s to 10.0.0.0/8 priority 50 lookup main", bridge(other)),
				fmt.Sprintf("rule add iif %s priority 100 lookup 100", bridge(other)),
				fmt.Sprintf("route add default via %s dev %s table 100", n.Private[0], bridge(at)))
		}
	}
}

// timeouts lets an interface's namespace forget as the interface does, at scale.
func (k *aKernel) timeouts(name string, n *world.Interface) {
	// Without a rule on connection tracking the settings don't exist.
	k.nft(name, "table inet sg { chain in { type filter hook input priority 0; ct state established accept; }; }")
	scaled := func(d, otherwise time.Duration) string {
		if d == 0 {
			d = otherwise
		}
		return fmt.Sprint(int(d.Seconds()) / kernelScale)
	}
	const at = "net/netfilter/nf_conntrack_"
	k.set(name, at+"tcp_timeout_established", scaled(n.TCPTimeout, 5*24*time.Hour))
	// Linux takes for a stream what has gone on for two seconds, EC2 what has had more
	// than one request and answer: here everything is one.
	k.set(name, at+"udp_timeout", scaled(n.UDPStreamTimeout, 3*time.Minute))
	k.set(name, at+"udp_timeout_stream", scaled(n.UDPStreamTimeout, 3*time.Minute))
	k.set(name, at+"icmp_timeout", scaled(0, 10*time.Minute))
}

// outsiders gives the outside the addresses of all peers that flows may have.
func (k *aKernel) outsiders() {
	for _, a := range []string{"198.51.100.7/32", "198.51.100.8/32", "192.0.2.25/32", "2001:db8:ffff::7/128"} {
		k.in(outside, "address add "+a+" dev lo")
	}
}

// publish maps public addresses at the internet gateway.
func (k *aKernel) publish(w *world.World) {
	var in, out strings.Builder
	for _, n := range w.Interfaces {
		if n.Public.IsValid() {
			fmt.Fprintf(&in, "    ip daddr %s dnat to %s\n", n.Public, n.Private[0])
			fmt.Fprintf(&out, "    oifname out ip saddr %s snat to %s\n", n.Private[0], n.Public)
		}
	}
	k.nft(gateway, fmt.Sprintf(`table ip nat {
  chain pre {
    type nat hook prerouting priority -100;
%s  }
  chain post {
    type nat hook postrouting priority 100;
%s  }
}
`, in.String(), out.String()))
}

// home is the namespace that has an address.
func (k *aKernel) home(a netip.Addr) string {
	if n := k.world.World().Holder(a); n != nil {
		return n.ID
	}
	return outside
}

func (k *aKernel) wait(d time.Duration) { time.Sleep(d / kernelScale) }
