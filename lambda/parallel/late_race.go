//go:build race

package parallel

import "time"

// beginLate has what goes on beside the work begin when the work is some calls further.
// Only the race detector's builds have it. Without it a goroutine mostly begins at once,
// and what it reads too late is hardly ever seen.
func beginLate() { time.Sleep(time.Millisecond) }
