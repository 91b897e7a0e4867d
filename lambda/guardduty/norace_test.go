//go:build !race

package guardduty

const raced = false
