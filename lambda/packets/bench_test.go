//go:build unix

package packets_test

import (
	"context"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"tourniquet/lambda/packets"
	"tourniquet/lambda/packets/clock"
	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// perProcessorSecond reports how many there were in a second of processor time, which
// what else runs on the machine changes little.
func perProcessorSecond(b *testing.B, what string, before time.Duration, n uint64) {
	b.Helper()
	b.ReportMetric(float64(n)/(processorTime(b)-before).Seconds(), what+"/processor-s")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarked(b *testing.B) *packets.VPC {
	b.Helper()
	w, err := simvpc.ParseWorld(place)
	if err != nil {
		b.Fatal(err)
	}
	vpc, err := packets.New(simvpc.New(w, simvpc.Options{}), clock.New(time.Now(), 1))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(vpc.Close)
	return vpc
}

// Packets a second through the rules alone: groups with tracking, the ACL of the
// subnet's edge, the mapping of the public address, under simvpc's live rules.
func BenchmarkFabric(b *testing.B) {
	vpc := benchmarked(b)
	const from = "198.51.100.99"
	port, err := vpc.Fabric.Attach(func([]byte) {}, netip.MustParseAddr(from))
	if err != nil {
		b.Fatal(err)
	}
	sent, arrived := 0, 0
	vpc.Fabric.Watch(func(e fabric.Event) {
		if e.Arrived && e.From.Addr() == netip.MustParseAddr(from) { // the host may answer
			arrived++
		}
	})
	p := fabric.Probe{
		Protocol: fabric.UDP, From: netip.MustParseAddrPort(from + ":5000"), To: netip.MustParseAddrPort("203.0.113.10:443"), Payload: make([]byte, 1000),
	}.Packet()
	raw := make([]byte, len(p))
	b.SetBytes(int64(len(p)))
	used := processorTime(b)
	for b.Loop() {
		copy(raw, p)
		port.Send(raw)
		sent++
	}
	if arrived != sent {
		b.Errorf("%d of %d arrived", arrived, sent)
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "packets/s")
	perProcessorSecond(b, "packets", used, uint64(sent))
}

// Bytes a second of one TCP connection between two stacks, and the packets it takes.
func BenchmarkTransfer(b *testing.B) {
	for name, text := range map[string]string{
		"public": "tcp 10.0.1.20:45000 -> 192.0.2.25:443",
		"nat":    "tcp 10.0.2.10:45000 -> 192.0.2.25:443 via nat",
	} {
		b.Run(name, func(b *testing.B) {
			vpc := benchmarked(b)
			f, err := world.ParseFlow(text)
			if err != nil {
				b.Fatal(err)
			}
			const size = 16 << 20
			b.SetBytes(size)
			before, used := vpc.Fabric.Carried(), processorTime(b)
			for b.Loop() {
				f.From = netip.AddrPortFrom(f.From.Addr(), f.From.Port()+1)
				d, err := vpc.Download(context.Background(), f, size, 0)
				if err == nil {
					err = d.Wait(context.Background())
				}
				if err != nil {
					b.Fatal(err)
				}
				d.Close()
			}
			b.ReportMetric(float64(vpc.Fabric.Carried()-before)/b.Elapsed().Seconds(), "packets/s")
			perProcessorSecond(b, "packets", used, vpc.Fabric.Carried()-before)
		})
	}
}

// Connections that stand at once, each with a question answered when all of them
// stand, and what one costs.
func BenchmarkConnections(b *testing.B) {
	const many = 5000
	for b.Loop() {
		vpc := benchmarked(b)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var talks []*packets.Talk
		start := time.Now()
		for n := range many {
			talk, err := vpc.Talk(context.Background(), world.Flow{
				Protocol: world.TCP, From: netip.AddrPortFrom(netip.MustParseAddr("10.0.1.10"), uint16(10000+n)),
				To: netip.MustParseAddrPort("198.51.100.7:443"),
			}, packets.Shell("web-1"))
			if err != nil {
				b.Fatal(err)
			}
			talks = append(talks, talk)
		}
		b.ReportMetric(many/time.Since(start).Seconds(), "opened/s")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc+after.StackInuse-before.StackInuse)/many, "B/connection")
		for _, talk := range talks {
			if ok, reason := talk.Alive(); !ok {
				b.Fatal(reason)
			}
		}
		b.ReportMetric(many, "connections")
	}
}
