// Package host isolates a compromised host from the inside, through AWS Systems
// Manager (SSM): it holds the scripts and the documents that carry them, has SSM run
// them, and reads what a host printed.
//
// It is for the connections that no finding names. A swap of security groups leaves
// them alive, and there is no peer to deny.
//
// What a host prints is the intruder's text. A [Result] may name an address to a
// person. It never clears an exposure, never causes a denial, and never makes a
// containment complete: only what AWS observes does that. The rules on the host last
// until a restore or a reboot, and whoever is root there can remove them.
//
// # What the rules do not stop
//
// They are rules of the IP layer. Root can send frames from a packet socket below
// them. Flows that a foreign flowtable has taken over bypass the forward hook. On a
// host whose resolver is systemd-resolved, its own queries to its servers pass, so a
// local process can still ask it, and can tunnel in the questions.
//
// Where the kernel can match a cgroup, the agent's service may open connections to
// port 443, and to the port of a proxy that it uses. The rules know the cgroup that
// the service has at that moment. If the service restarts, systemd may give it
// another, and then only a reboot lifts the rules. Elsewhere root's new connections
// to port 443 pass.
//
// The Windows scripts have not been run: see isolate.ps1.
package host
