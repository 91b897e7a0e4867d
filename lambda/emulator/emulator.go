// Package emulator starts emulators of AWS for integration tests: MiniStack and
// moto, two implementations by different people, so that what both accept is
// more than one author's idea of AWS. They listen on 127.0.0.1 only, and live no
// longer than the test process, even when that is killed.
package emulator

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Venv is the environment variable that names the virtual environment which the
// emulators are installed in, seen from the module's root. The default is
// .emulators.
const Venv = "TOURNIQUET_EMULATORS"

// Start-up takes seconds; on a busy machine, a multiple.
const patience = 2 * time.Minute

//go:embed keep.py
var keep string

// MiniStack starts MiniStack, which emulates most of AWS, and returns its
// endpoint. It stops when the test ends. More environment can be given, as
// "NAME=value".
func MiniStack(tb testing.TB, env ...string) string {
	tb.Helper()
	port := freePort(tb)
	env = append(env, "BIND_HOST=127.0.0.1", "GATEWAY_PORT="+port)
	return start(tb, port, "/_ministack/health", env, "ministack")
}

// Moto starts moto's server and returns its endpoint. It stops when the test ends.
// moto does not isolate transactions from each other: a test must not have two
// requests under way.
func Moto(tb testing.TB, env ...string) string {
	tb.Helper()
	port := freePort(tb)
	return start(tb, port, "/moto-api/data.json", env, "moto_server", "-H", "127.0.0.1", "-p", port)
}

// Python runs a script in the virtual environment, where boto3 is, and returns what
// it prints.
func Python(tb testing.TB, script string, args ...string) string {
	tb.Helper()
	python := filepath.Join(venvDir(tb), "bin", "python")
	if _, err := os.Stat(python); err != nil {
		tb.Fatalf("the emulators are not installed (%v): run make emulators", err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, append([]string{script}, args...)...) //nolint:gosec // a script of this repository
	cmd.Env = environment(tb.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("running %s: %v\n%s%s", script, err, out, errs.String())
	}
	return string(out)
}

// start runs a program of the virtual environment and waits until it answers.
func start(tb testing.TB, port, health string, env []string, program string, args ...string) string {
	tb.Helper()
	bin := Bin(tb)
	path := filepath.Join(bin, program)
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("the emulators are not installed (%v): run make emulators", err)
	}
	output, err := os.Create(filepath.Join(tb.TempDir(), "output"))
	if err != nil {
		tb.Fatalf("starting %s: %v", program, err)
	}
	cmd := exec.Command(filepath.Join(bin, "python"), append([]string{"-c", keep, path}, args...)...) //nolint:gosec // the emulators of this repository
	cmd.Dir = tb.TempDir()
	cmd.Env = append(environment(cmd.Dir), env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for keep.py to end all of it
	lifeline, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Fatalf("starting %s: %v", program, err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed in the end; what matters is in its output
		close(gone)
	}()
	tb.Cleanup(func() {
		_ = lifeline.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
		_ = output.Close()
	})
	endpoint := "http://127.0.0.1:" + port
	if err := ready(endpoint+health, gone); err != nil {
		said, _ := os.ReadFile(output.Name())
		tb.Fatalf("waiting for %s: %v\n%s", program, err, said)
	}
	return endpoint
}

// Bin is the folder of the programs that are installed beside the emulators, such
// as cfn-lint.
func Bin(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(venvDir(tb), "bin")
}

// environment is what a program needs and nothing of the account that whoever
// runs the tests may be signed in to.
func environment(home string) []string {
	return []string{
		"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1",
		"AWS_ACCESS_KEY_ID=000000000000", "AWS_SECRET_ACCESS_KEY=none", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// venvDir is the virtual environment's directory.
func venvDir(tb testing.TB) string {
	tb.Helper()
	dir := cmp.Or(os.Getenv(Venv), ".emulators")
	if filepath.IsAbs(dir) {
		return dir
	}
	root, err := os.Getwd()
	if err != nil {
		tb.Fatalf("looking for the module's root: %v", err)
	}
	for root != filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	return filepath.Join(root, dir)
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("looking for a free port: %v", err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// ready waits until a program answers at an address.
func ready(address string, gone <-chan struct{}) error {
	client := http.Client{Timeout: 5 * time.Second}
	timeout := time.After(patience)
	for {
		resp, err := client.Get(address)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		select {
		case <-gone:
			return fmt.Errorf("it has ended: %w", err)
		case <-timeout:
			return fmt.Errorf("not ready after %v: %w", patience, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
