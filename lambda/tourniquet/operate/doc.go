// Package operate is the operator's command on a deployed stack. What it shows comes
// from the ledger, and from EC2 as far as the caller may read it. What changes anything
// goes through the deployed functions, so that their roles and records hold; a function
// is never invoked twice for one command, except that a person who is asked first sees
// a dry run, which changes nothing.
package operate
