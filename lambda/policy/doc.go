// Package policy decides whether to act: on a finding by what it says itself, and on
// an incident by the instance as observed and the ledger as read. Not acting is a
// verdict with a reason, and no error.
package policy
