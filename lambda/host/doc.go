// Package host isolates a compromised host from the inside, through AWS Systems
// Manager: it has the scripts and the documents that carry them, sends them, and
// reads what a host printed.
//
// What a host prints is the intruder's text. A Result may name an address to a
// person. It clears no exposure, it denies nobody, and it never makes a containment
// complete: only what AWS observes does.
package host
