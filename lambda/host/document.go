package host

import (
	_ "embed"
	"strings"
)

// The names of the two documents. They are two because IAM sees which document is
// sent, but not with which parameters: the function that faces events may send the
// first one only.
const (
	IsolateName = "tourniquet-isolate"
	RestoreName = "tourniquet-restore"
)

// The steps of both documents, one a platform. The step of another platform is
// skipped, and SSM shows that as a success.
const (
	linuxStep   = "linux"
	windowsStep = "windows"
)

// runTime is how long a script may run, in seconds, before the agent ends it. The
// slowest part is the evidence, with two seconds.
const runTime = "60"

// The scripts, one a platform and purpose. Each is a whole program.
var (
	//go:embed isolate.sh
	isolateShell string
	//go:embed isolate.ps1
	isolatePowerShell string
	//go:embed restore.sh
	restoreShell string
	//go:embed restore.ps1
	restorePowerShell string
)

// IsolateDocument is the content of the SSM document that isolates a host: schema
// 2.2, without any parameter, so that whoever may send it can run this and nothing
// else. It is made of maps, lists and texts only, as the CDK wants it.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-schemas-features.html
func IsolateDocument() map[string]any {
	return document("Tourniquet: cut this host off the network, except for the SSM agent.", isolateShell, isolatePowerShell)
}

// RestoreDocument is the content of the SSM document that takes the rules of
// IsolateDocument away, likewise without any parameter.
func RestoreDocument() map[string]any {
	return document("Tourniquet: take away the rules that "+IsolateName+" set on this host.", restoreShell, restorePowerShell)
}

func document(description, shell, powerShell string) map[string]any {
	return map[string]any{
		"schemaVersion": "2.2",
		"description":   description,
		"mainSteps": []any{
			step(linuxStep, "Linux", "aws:runShellScript", shell),
			step(windowsStep, "Windows", "aws:runPowerShellScript", powerShell),
		},
	}
}

func step(name, platform, action, script string) map[string]any {
	var lines []any
	for line := range strings.Lines(script) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return map[string]any{
		"name":         name,
		"action":       action,
		"precondition": map[string]any{"StringEquals": []any{"platformType", platform}},
		"inputs":       map[string]any{"timeoutSeconds": runTime, "runCommand": lines},
	}
}
