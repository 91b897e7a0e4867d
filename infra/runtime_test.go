package main

import (
	"strings"
	"testing"
)

func TestPass(t *testing.T) {
	var got strings.Builder
	pass(&got, strings.NewReader("[Warning] something\nRuntime process exited abnormally: signal: killed\n"+falseAlarm))
	if want := "[Warning] something\nRuntime process exited abnormally: signal: killed\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}
