//go:build race

package guardduty

// raced: the race detector is on, which costs memory and time of its own.
const raced = true
