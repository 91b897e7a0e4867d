//go:build integration

package emulator

import (
	"net/http"
	"testing"
)

func TestStopsWithTheTest(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...string) string{"ministack": MiniStack, "moto": Moto} {
		t.Run(name, func(t *testing.T) {
			var endpoint string
			t.Run("started", func(t *testing.T) { endpoint = start(t) })
			if resp, err := http.Get(endpoint); err == nil {
				_ = resp.Body.Close()
				t.Errorf("%s still answers at %s", name, endpoint)
			}
		})
	}
}
