// Package plain says in plain English what a containment's steps, exposure, status
// and times are: for messages, the report and the command, so that all three use
// the same words. It decides nothing and changes nothing.
package plain
