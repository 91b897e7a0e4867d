package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMoreSettings: a setting on the command line wins, and one without our prefix, which
// would mean nothing, is an error.
func TestMoreSettings(t *testing.T) {
	got, err := withMore(map[string]any{"tourniquet:mode": "enforce", "other": 1.0}, []string{"tourniquet:mode=observe", "tourniquet:exemptTag=a=b"})
	want := map[string]any{"tourniquet:mode": "observe", "tourniquet:exemptTag": "a=b", "other": 1.0}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for _, bad := range []string{"mode=observe", "tourniquet:mode", ""} {
		if _, err := withMore(nil, []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, args := range [][]string{{"organization"}, {"organisation", "dir"}, {"x"}} {
		if err := organize(args); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%v: got %v", args, err)
		}
	}
}

// TestWriteOrganization: what is copied to the buckets is what was written last.
func TestWriteOrganization(t *testing.T) {
	dir := t.TempDir()
	for _, files := range []map[string][]byte{{"code/old.zip": []byte("1"), "a.json": []byte("1")}, {"code/new.zip": []byte("2"), "a.json": []byte("2")}} {
		if err := writeAll(dir, files); err != nil {
			t.Fatal(err)
		}
	}
	code, err := filepath.Glob(filepath.Join(dir, codeFolder, "*"))
	a, _ := os.ReadFile(filepath.Join(dir, "a.json"))
	if err != nil || len(code) != 1 || filepath.Base(code[0]) != "new.zip" || string(a) != "2" {
		t.Errorf("got %v and %q (%v)", code, a, err)
	}
}
