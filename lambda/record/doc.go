// Package record is a containment as the ledger keeps it: its steps with the state
// before and after each, the slots that it holds in network ACLs, its residual
// exposure, its history, and the changes that move it forward.
package record
