// Package answer is the JSON that an invocation returns: the part of the domain that
// the outside world relies on.
package answer
