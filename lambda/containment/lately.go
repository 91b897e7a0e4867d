package containment

import "sync"

// lately is which instances a process has contained: their next finding is likely to be
// a repeat. The zero value is ready for use, by many at once.
type lately struct {
	mu        sync.Mutex
	instances map[string]bool
}

// maxLately bounds what a process remembers. Above it, it begins anew.
const maxLately = 10_000

func (l *lately) add(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.instances == nil || len(l.instances) >= maxLately {
		l.instances = map[string]bool{}
	}
	l.instances[instance] = true
}

func (l *lately) has(instance string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.instances[instance]
}
