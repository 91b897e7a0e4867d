//go:build linux

package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// serviceCgroup makes the cgroup of the agent's service on this machine, and mounts
// the tree: it can't be in a namespace, since the rules know it by its full path.
func serviceCgroup(t *testing.T) string {
	t.Helper()
	needsKernel(t)
	tree, err := os.MkdirTemp("", "tourniquet-cgroup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(tree) })
	if err := syscall.Mount("cgroup2", tree, "cgroup2", 0, ""); err != nil {
		t.Skipf("this kernel has no cgroup v2 to mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(tree, syscall.MNT_DETACH) }) //nolint:errcheck // nothing is left to be done
	slice := filepath.Join(tree, "system.slice")
	service := filepath.Join(slice, "amazon-ssm-agent.service")
	for _, dir := range []string{slice, service} {
		err := os.Mkdir(dir, 0o755)
		if dir == service && errors.Is(err, os.ErrExist) {
			t.Skip("this machine has an SSM agent, which a test must not touch")
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		if err == nil {
			t.Cleanup(func() { eventually(t, "removing "+dir, func() bool { return os.Remove(dir) == nil }) })
		}
	}
	return strings.Replace(service, tree, "/sys/fs/cgroup", 1)
}

// canMatchCgroups skips the test where the kernel, or the tool, does not know the
// match that the script would use: it then goes by the user.
func (w *world) canMatchCgroups(rules string) {
	w.t.Helper()
	w.sh(w.host, "umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup")
	probe := "iptables -t mangle -N PROBE && iptables -t mangle -A PROBE -m cgroup --path system.slice/amazon-ssm-agent.service; " +
		"s=$?; iptables -t mangle -F PROBE; iptables -t mangle -X PROBE; exit $s"
	if rules == "nft" {
		probe = `nft -f - <<END
table inet probe { chain out { type filter hook output priority 0; socket cgroupv2 level 2 "system.slice/amazon-ssm-agent.service" accept; }; }
delete table inet probe
END`
	}
	if out, err := w.enter(w.host, "sh", "-c", probe).CombinedOutput(); err != nil {
		w.t.Skipf("this kernel can't match the cgroup of a socket in %s: %s", rules, out)
	}
}
