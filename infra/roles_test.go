package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/bus"
	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/host"
	"tourniquet/lambda/hub"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/topic"
	"tourniquet/lambda/vpc"
)

// TestRoleLaw: the function that faces events can attach the quarantine group
// only, and remove no entry.
func TestRoleLaw(t *testing.T) {
	for name, stack := range map[string]stackUnderTest{"plain": plain(t), "options": withOptions(t)} {
		t.Run(name, func(t *testing.T) {
			for _, s := range stack.statements(t, "contain") {
				for _, problem := range unlawful(s) {
					t.Errorf("statement %s: %s", s.sid, problem)
				}
			}
		})
	}
}

// forbidden are parts of the names of actions that loosen, whatever the resource.
var forbidden = []string{
	"ec2:Authorize", "ec2:Delete", "ec2:ReplaceNetwork", "ec2:ReplaceRoute", "ec2:Disassociate", "ec2:Associate",
	"ec2:ModifySecurityGroupRules", "ec2:UpdateSecurityGroupRule", "ec2:Disable", "ec2:Stop", "ec2:Terminate", "autoscaling:Exit", "autoscaling:Detach",
	"autoscaling:Terminate", "autoscaling:Update", "autoscaling:Suspend", "autoscaling:Resume", "iam:Put", "iam:Attach", "iam:Create", "iam:Add",
	"sts:", "lambda:", "dynamodb:DeleteTable", "dynamodb:UpdateTable",
}

// conditional are actions that tighten only as far as a condition of their statement
// says, and the condition: operator, key, value. An empty value is any.
var conditional = map[string][][3]string{
	"ec2:ModifyInstanceAttribute": {
		{"StringEqualsIgnoreCase", "ec2:Attribute/DisableApiTermination", "true"},
		{"StringEqualsIgnoreCase", "ec2:Attribute/InstanceInitiatedShutdownBehavior", "stop"},
		{"StringEqualsIgnoreCase", "ec2:Attribute", "BlockDeviceMapping"},
	},
	"ec2:ModifyInstanceMetadataOptions":        {{"StringEqualsIgnoreCase", "ec2:Attribute/HttpEndpoint", "disabled"}},
	"ec2:ReplaceIamInstanceProfileAssociation": {{"ArnEquals", "ec2:NewInstanceProfile", ""}},
	"iam:PassRole": {{"StringEquals", "iam:PassedToService", "ec2.amazonaws.com"}, {"StringEquals", "iam:PassedToService", "vpc-flow-logs.amazonaws.com"}},
	"ec2:EnableApplicationStatusCheckSuppression": {{"Null", "aws:ResourceTag/" + network.AutoScalingTag, "false"}},
}

// meets reports whether a statement's condition is one of some.
func meets(condition map[string]any, wanted [][3]string) bool {
	return slices.ContainsFunc(wanted, func(c [3]string) bool {
		keys, _ := condition[c[0]].(map[string]any)
		value, there := keys[c[1]]
		return there && (c[2] == "" || value == c[2])
	})
}

// unlawful lists what is wrong with a statement of the contain role.
func unlawful(s statement) []string {
	var problems []string
	if s.effect != "Allow" || s.raw["NotAction"] != nil || s.raw["NotResource"] != nil || len(s.actions) == 0 || len(s.resources) == 0 {
		problems = append(problems, "is no plain Allow of actions on resources")
	}
	for _, a := range s.actions {
		handsOn := a == "iam:PassRole" && !slices.ContainsFunc(s.resources, wildcardResource) && equals(s.condition, "iam:PassedToService", "vpc-flow-logs.amazonaws.com")
		tag := map[string][2]string{"network-acl": {network.RoleTag, network.IsolationRole}, "subnet": {network.IsolateTag, network.IsolateValue}}
		isolates := a == "ec2:ReplaceNetworkAclAssociation" && !slices.ContainsFunc(s.resources, func(r string) bool {
			kind, known := typeOf(r)
			return !known || !equals(s.condition, "aws:ResourceTag/"+tag[kind][0], tag[kind][1])
		})
		if !handsOn && !isolates && slices.ContainsFunc(forbidden, func(f string) bool { return strings.HasPrefix(a, f) }) {
			problems = append(problems, "allows "+a)
		}
		ofVolumes := a == "ec2:ModifyInstanceAttribute" && !slices.ContainsFunc(s.resources, func(r string) bool { return !strings.Contains(r, ":volume/") })
		if c := conditional[a]; c != nil && !ofVolumes && !meets(s.condition, c) {
			problems = append(problems, a+" without the condition that makes it tighten")
		}
		if a == "iam:PassRole" && slices.ContainsFunc(s.resources, wildcardResource) {
			problems = append(problems, "passes any role")
		}
		onGroups := slices.ContainsFunc(s.resources, mayBeGroup)
		tagged := equals(s.condition, "aws:ResourceTag/"+network.RoleTag, network.RoleValue)
		if onGroups && (a == "ec2:ModifyNetworkInterfaceAttribute" || strings.HasPrefix(a, "ec2:Revoke")) && !tagged {
			problems = append(problems, a+" of a group without the tag")
		}
		if onGroups && a == "ec2:CreateTags" && !equals(s.condition, "ec2:CreateAction", "CreateSecurityGroup") {
			problems = append(problems, "tags an existing group")
		}
		if onGroups && a == "ec2:CreateSecurityGroup" && !equals(s.condition, "aws:RequestTag/"+network.RoleTag, network.RoleValue) {
			problems = append(problems, "makes a group without the tag")
		}
	}
	return problems
}

// mayBeGroup reports whether a resource of a statement takes in a security group.
func mayBeGroup(resource string) bool {
	return resource == "*" || strings.Contains(resource, "security-group") || strings.HasSuffix(resource, ":*") && strings.Contains(resource, ":ec2:")
}

func equals(condition map[string]any, key, value string) bool {
	keys, _ := condition["StringEquals"].(map[string]any)
	return keys[key] == value
}

// TestRoleLawFindsBreaches: the check itself sees what it is there for.
func TestRoleLawFindsBreaches(t *testing.T) {
	group := []string{"arn:aws:ec2:eu-central-1:111122223333:security-group/*"}
	for _, s := range []statement{
		{"any group", "Allow", []string{"ec2:ModifyNetworkInterfaceAttribute"}, group, nil, nil},
		{"everything", "Allow", []string{"ec2:ModifyNetworkInterfaceAttribute"}, []string{"*"}, nil, nil},
		{"removal", "Allow", []string{"ec2:DeleteNetworkAclEntry"}, []string{"*"}, nil, nil},
		{"replacement", "Allow", []string{"ec2:ReplaceNetworkAclEntry"}, []string{"*"}, nil, nil},
		{"adoption", "Allow", []string{"ec2:CreateTags"}, group, nil, nil},
		{"untagged", "Allow", []string{"ec2:CreateSecurityGroup"}, group, nil, nil},
		{"any edge", "Allow", []string{"ec2:ReplaceNetworkAclAssociation"}, []string{"arn:aws:ec2:eu-central-1:111122223333:network-acl/*"}, nil, nil},
		{"an edge by the other's tag", "Allow", []string{"ec2:ReplaceNetworkAclAssociation"}, []string{"arn:aws:ec2:eu-central-1:111122223333:subnet/*"}, object{"StringEquals": map[string]any{"aws:ResourceTag/" + network.RoleTag: network.IsolationRole}}, nil},
		{"any role", "Allow", []string{"iam:PassRole"}, []string{"*"}, object{"StringEquals": map[string]any{"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}}, nil},
		{"a role to anybody", "Allow", []string{"iam:PassRole"}, []string{"arn:aws:iam::111122223333:role/x"}, nil, nil},
		{"opening", "Allow", []string{"ec2:AuthorizeSecurityGroupIngress"}, group, nil, nil},
		{"any attribute", "Allow", []string{"ec2:ModifyInstanceAttribute"}, []string{"arn:aws:ec2:eu-central-1:111122223333:instance/*"}, nil, nil},
		{
			"any role", "Allow",
			[]string{"iam:PassRole"},
			[]string{"arn:aws:iam::111122223333:role/*"},
			map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "ec2.amazonaws.com"}},
			nil,
		},
		{"policies", "Allow", []string{"iam:PutRolePolicy"}, []string{"arn:aws:iam::111122223333:role/x"}, nil, nil},
	} {
		if len(unlawful(s)) == 0 {
			t.Errorf("%s is not seen", s.sid)
		}
	}
}

// never are what neither role may do, with any setting: what can't be limited by a
// condition, or what a person alone decides.
var never = []string{
	"iam:PutRolePolicy", "ec2:DeleteSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:StopInstances",
	"ec2:TerminateInstances", "ec2:DeleteSnapshot", "ec2:ModifySnapshotAttribute", "autoscaling:TerminateInstanceInAutoScalingGroup",
}

// neverContain is what the function that faces events may not do either.
var neverContain = []string{
	"ec2:DeleteFlowLogs", "ec2:DeleteTags", "ec2:DeleteNetworkAclEntry", "autoscaling:ExitStandby", "ec2:DisableApplicationStatusCheckSuppression",
}

// TestNever: no role allows an action of the list of never, whatever is on.
func TestNever(t *testing.T) {
	for name, stack := range map[string]stackUnderTest{"plain": plain(t), "options": withOptions(t), "bare": bare(t)} {
		for handler, list := range map[string][]string{"contain": slices.Concat(never, neverContain), "release": never} {
			for _, s := range stack.statements(t, handler) {
				for _, a := range list {
					if slices.ContainsFunc(s.actions, func(p string) bool { ok, _ := path.Match(p, a); return ok }) {
						t.Errorf("%s: the %s role allows %s in %s", name, handler, a, s.sid)
					}
				}
			}
		}
	}
}

// TestNoWildcards: no action has a wildcard, and each resource that has one has a
// reason beside it.
func TestNoWildcards(t *testing.T) {
	for _, stack := range []stackUnderTest{plain(t), withOptions(t)} {
		for _, handler := range []string{"contain", "release"} {
			_, role := stack.one(t, "AWS::IAM::Role", map[string]string{"contain": "ContainRole", "release": "ReleaseRole"}[handler])
			if role.Properties["ManagedPolicyArns"] != nil {
				t.Errorf("%s: has managed policies", handler)
			}
			reasons := fmt.Sprint(role.Metadata["cdk_nag"])
			for _, s := range stack.statements(t, handler) {
				for _, a := range s.actions {
					if strings.ContainsAny(a, "*?") {
						t.Errorf("%s, %s: action %s", handler, s.sid, a)
					}
				}
				if slices.ContainsFunc(s.resources, wildcardResource) && !strings.Contains(reasons, "reason:"+s.sid+": ") {
					t.Errorf("%s, %s: no reason for %v", handler, s.sid, s.resources)
				}
			}
		}
	}
}

// wildcardResource reports a wildcard; a log group's ARN ends in one that means
// its streams.
func wildcardResource(r string) bool {
	return strings.Contains(r, "*") && !strings.HasPrefix(r, "arn:aws:logs:")
}

// TestRolesAreTheCode: what the functions' code says it calls is what their roles
// allow, beside what Lambda itself does with a role.
func TestRolesAreTheCode(t *testing.T) {
	for name, tt := range map[string]struct {
		stack stackUnderTest
		rungs []string
		more  map[string][]string
	}{
		"plain": {plain(t), []string{"keepAlive", "protect"}, nil},
		"options": {withOptions(t), []string{"keepAlive", "protect", "snapshots", "credentials"}, map[string][]string{
			"contain": slices.Concat(keyActions, hub.Actions, vpc.IsolateActions), "release": slices.Concat(keyActions, vpc.UnisolateActions),
		}},
	} {
		contain, release := slices.Concat(vpc.ContainActions, host.ContainActions, flowlog.ContainActions), slices.Concat(vpc.ReleaseActions, host.ReleaseActions, flowlog.ReleaseActions)
		for _, key := range tt.rungs {
			contain, release = append(contain, keep.Rungs[key].Contain...), append(release, keep.Rungs[key].Release...)
		}
		for handler, code := range map[string][]string{"contain": contain, "release": release} {
			want := slices.Compact(slices.Sorted(slices.Values(slices.Concat(code, ledger.Actions, topic.Actions, bus.Actions, lambdaActions, tt.more[handler]))))
			if diff := cmp.Diff(want, actionsAllowed(tt.stack.statements(t, handler))); diff != "" {
				t.Errorf("%s: the %s role's actions (-code +role):\n%s", name, handler, diff)
			}
		}
	}
}

func actionsAllowed(statements []statement) []string {
	var actions []string
	for _, s := range statements {
		actions = append(actions, s.actions...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// TestCallsAreAllowed reads the source of all packages that are in the function: each
// operation of the SDK for which they make an input must be allowed to one of the roles
// of the stack with every option: an action of an option is there only when it is on.
func TestCallsAreAllowed(t *testing.T) {
	may := slices.Concat(actionsAllowed(withOptions(t).statements(t, "contain")), actionsAllowed(withOptions(t).statements(t, "release")))
	calls := sdkCalls(t, functionPackages(t)...)
	if len(calls) < 12 {
		t.Fatalf("found %d calls in the source: %v; is it still written as this test reads it?", len(calls), calls)
	}
	for call, at := range calls {
		for _, action := range actionsOf(call) {
			if !slices.Contains(may, action) {
				t.Errorf("%s: %s needs %s, which no role has", at, call, action)
			}
		}
	}
}

// actionsOf are the IAM actions of an operation. A transaction has those of its parts.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func actionsOf(call string) []string {
	switch call {
	case "dynamodb:TransactWriteItems":
		return []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
	case "dynamodb:TransactGetItems":
		return []string{"dynamodb:GetItem"}
	default:
		return []string{call}
	}
}

// functionPackages are the folders of our packages that the function is built of.
func functionPackages(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if and .Module .Module.Main}}{{.Dir}}{{end}}", "./lambda")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	if len(dirs) < 5 {
		t.Fatalf("the function is built of %v; is it still listed as this test reads it?", dirs)
	}
	return dirs
}

// prefixes are the services whose IAM prefix is not the SDK's name of them.
var prefixes = map[string]string{"cloudwatchlogs": "logs", "eventbridge": "events"}

// sdkCalls finds the operations, such as "ec2:CreateTags", whose inputs are made
// in packages' sources: no operation of the SDK goes without an input.
func sdkCalls(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	calls := map[string]string{}
	files := token.NewFileSet()
	for _, dir := range dirs {
		sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range sources {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(calls, inputs(files, file))
		}
	}
	return calls
}

func inputs(files *token.FileSet, file *ast.File) map[string]string {
	const sdk = "github.com/aws/aws-sdk-go-v2/service/"
	services := map[string]bool{}
	for _, i := range file.Imports {
		if name, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), sdk); ok && !strings.Contains(name, "/") {
			services[name] = true
		}
	}
	calls := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := s.X.(*ast.Ident)
		operation, isInput := strings.CutSuffix(s.Sel.Name, "Input")
		if ok && isInput && services[pkg.Name] {
			prefix, other := prefixes[pkg.Name]
			if !other {
				prefix = pkg.Name
			}
			calls[prefix+":"+operation] = files.Position(s.Pos()).String()
		}
		return true
	})
	return calls
}

// logField is a field of a line in a metric filter.
var logField = regexp.MustCompile(`\$\.([A-Za-z]+)`)

// TestLogLines: the metric filters read lines and fields that the function really
// writes. That it writes them is tested beside it.
func TestLogLines(t *testing.T) {
	var files []string
	for _, dir := range functionPackages(t) {
		sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, sources...)
	}
	var source string
	for _, path := range files {
		if b, err := os.ReadFile(path); err == nil && !strings.HasSuffix(path, "_test.go") {
			source += string(b)
		}
	}
	want := map[string]bool{lineIncident: true, lineInvocation: true, lineReconciled: true, lineUnknownType: true, lineUntold: true}
	for _, f := range plain(t).of("AWS::Logs::MetricFilter") {
		value, _ := pick(f.Properties, "MetricTransformations", 0, "MetricValue").(string)
		for _, m := range logField.FindAllStringSubmatch(f.Properties["FilterPattern"].(string)+value, -1) {
			want[m[1]] = true
		}
	}
	delete(want, "message") // of slog's, renamed by lambdacontext
	for _, field := range []string{"status", "verdict", "unrecorded", "aclRoom", "containedMillis", "open", "changed"} {
		if !want[field] {
			t.Errorf("no metric filter reads %s", field)
		}
	}
	for text := range want {
		if !strings.Contains(source, fmt.Sprintf("%q", text)) {
			t.Errorf("the handler logs no %q", text)
		}
	}
}
