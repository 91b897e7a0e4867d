// Package keep is what keeps a contained instance and its evidence, behind the
// interfaces of package containment: EC2 Auto Scaling and application status checks,
// protection against termination, snapshots, the instance profile and the metadata
// endpoint.
//
// Each change is followed by a look: what a step has come to is what EC2 shows, and not
// that a call returned.
package keep
