// Package simvpc is a simulated VPC: EC2 and the services around it at wire level,
// with state, AWS's own error codes, injectable faults and a call log. The real AWS
// SDKs and the AWS CLI talk to it as they would to AWS, so retries, paging and error
// decoding are the real ones. Its state is a [world.World]; package oracle says
// which traffic passes in it.
//
// One server answers EC2 (package ec2), Systems Manager's commands (ssm), the part of
// CloudWatch Logs that reads flow logs (logs), and Auto Scaling (autoscaling). They
// share the world, the faults, the log and the clock. What they do by themselves they
// do as the clock goes on: the flow logs follow the flows of the world, and a group
// terminates a member that its checks don't reach.
//
// # Serving
//
//	server := simvpc.Start(t, w, simvpc.Options{})
//	client := ec2.New(ec2.Options{
//		BaseEndpoint: aws.String(server.URL),
//		Region:       w.Region,
//		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
//	})
//	…
//	server.World()     // a copy of the world as it is now
//	server.Edit(func(w *world.World) { … }) // somebody else changes it
//	server.Advance(time.Hour) // time passes, for the clock and the world
//	server.Calls()     // every call made, with its code and times
//
// Faults are armed by operation and call number; the hook given to
// [Server.Before] sees every call first, and may change the world between calls:
//
//	server.Inject(simvpc.Fault{Op: "CreateNetworkAclEntry", Nth: 2, Kind: simvpc.LostAfter})
//	server.Before(func(c simvpc.Call) simvpc.Fault {
//		if c.Seq > 7 {
//			return simvpc.Fault{Kind: simvpc.LostBefore} // the caller dies after seven calls
//		}
//		return simvpc.Fault{}
//	})
//
// Deliberate limits: every answer is that of one account and one Region, requests
// are not authenticated, and instances stop and start at once. A parameter that
// an operation doesn't know is refused, never ignored.
package simvpc
