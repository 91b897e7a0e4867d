// Package drill rehearses a containment on a simulated VPC in which packets move: an
// intruder's connections stand, a finding arrives, and the real responder answers it
// through the real AWS SDK. What passes before, after a swap of the groups alone, after
// Tourniquet, and after the release is what real TCP/IP stacks get through; simvpc's
// oracle speaks only for connections that no host here can hold.
package drill
