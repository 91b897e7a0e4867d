//go:build integration

package bundle

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

// TestZipIsReproducible: a copy of the source in another folder, outside of any
// repository and under other settings of Go, gives the same bytes.
func TestZipIsReproducible(t *testing.T) {
	root := filepath.Join("..", "..")
	elsewhere := filepath.Join(t.TempDir(), "a copy")
	for _, part := range []string{"go.mod", "go.sum", "lambda"} {
		copyTo(t, filepath.Join(root, part), filepath.Join(elsewhere, part))
	}
	const architecture = "x86_64" // which CI has compiled by now; arm64 takes minutes more
	here, err := Zip(root, architecture)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-ldflags=-X=main.version=2")
	there, err := Zip(elsewhere, architecture)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(here, there) {
		t.Errorf("%d bytes here, %d in the copy, and not the same", len(here), len(there))
	}
	if len(here) > MaxZip { // arm64's is smaller
		t.Errorf("the zip has %d bytes, want at most %d: what was linked in?", len(here), MaxZip)
	}
	t.Logf("%d bytes, sha256 %x", len(here), sha256.Sum256(here))
}

// copyTo copies a file, or a folder.
func copyTo(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else if err == nil {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
