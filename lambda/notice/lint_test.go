//go:build integration

package notice

import (
	"os/exec"
	"path/filepath"
	"testing"

	"tourniquet/lambda/emulator"
)

// The template of the rules is one that CloudFormation takes.
func TestRulesTemplate(t *testing.T) {
	out, err := exec.Command(filepath.Join(emulator.Bin(t), "cfn-lint"), "-t", "rules.json").CombinedOutput()
	if err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}
