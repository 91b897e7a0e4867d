// Package flowlog makes VPC flow logs of network interfaces, and reads what they say.
// They show which packets still pass once an instance is cut off: a tracked connection
// that a swap of groups leaves alive is accepted, whatever the new groups say.
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html
package flowlog
