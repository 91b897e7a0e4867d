// Package packets is a simulated VPC in which packets move: a host with a real TCP/IP
// stack for every instance and every peer, joined by a fabric that judges each packet
// by the rules of a simvpc server at that moment. So when a responder changes groups
// and ACLs there, through the real AWS SDK, established connections feel it.
//
//	server := simvpc.Start(t, w, simvpc.Options{})
//	vpc, err := packets.New(server, clock.New(time.Now(), 1))
//	…
//	shell, err := vpc.Talk(ctx, flow, packets.Shell("web-1"))
//	shell.Ask("id")              // uid=0(root) …
//	…                            // contain the instance
//	alive, reason := shell.Alive() // false: denied by acl-front entry 1 out
//	vpc.Clock.Pass(time.Minute)  // both ends go on retransmitting
//
// Package fabric has the rules that AWS documents, package host the machines, package
// clock the time. Interfaces that are made while packets move get no host.
package packets
