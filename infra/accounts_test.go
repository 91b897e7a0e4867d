package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
	"github.com/google/go-cmp/cmp"

	"tourniquet/infra/organization"
	"tourniquet/lambda/config"
)

// forAccounts are the files for an organization, with cdk.json's settings, and a zip
// that holds the text "zip".
var forAccounts struct {
	sync.Once
	files map[string][]byte
}

func organizationOf(t *testing.T) map[string][]byte {
	t.Helper()
	requireNode(t)
	forAccounts.Do(func() {
		settings, err := readSettings(cdkJSON(t))
		if err == nil {
			forAccounts.files, err = organizationFiles(cdkJSON(t), settings, []byte("zip"))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if forAccounts.files == nil {
		t.Fatal("the templates could not be synthesized: see the first test that failed")
	}
	return forAccounts.files
}

// organizationTemplate is one of the templates for an organization.
func organizationTemplate(t *testing.T, name string) (tpl template) {
	t.Helper()
	if err := json.Unmarshal(organizationOf(t)[name], &tpl); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tpl
}

// TestAccountTemplate: an account of an organization gets the stack that "cdk deploy"
// deploys, resource by resource, but for the code's place, the parameters' values in the
// environment, and what the parameters add.
func TestAccountTemplate(t *testing.T) {
	single := plain(t).template
	settings, err := readSettings(cdkJSON(t))
	if err != nil {
		t.Fatal(err)
	}
	// The stack's id is in those of its resources.
	raw, err := synthesizeOne(cdkJSON(t), func(app awscdk.App) awscdk.Stack {
		return NewStack(app, "Plain", Props{Settings: settings, CodeKey: "key.zip"})
	})
	var account template
	if err != nil || json.Unmarshal(raw, &account) != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	extra := map[string]any{}
	for id, r := range account.Resources {
		if _, both := single.Resources[id]; !both {
			extra[id] = map[string]any{"Type": r.Type, "Condition": r.Condition, "Properties": r.Properties}
		}
	}
	for id, r := range single.Resources {
		got := account.Resources[id]
		if d := cmp.Diff(comparable(single, r), comparable(account, got)); d != "" {
			t.Errorf("%s (-cdk deploy +organization):\n%s", id, d)
		}
		if got.DeletionPolicy != r.DeletionPolicy || got.UpdateReplacePolicy != r.UpdateReplacePolicy || got.Condition != "" {
			t.Errorf("%s: got %+v", id, got)
		}
	}
	if !maps.EqualFunc(single.Outputs, account.Outputs, func(a, b map[string]any) bool {
		return cmp.Equal(single.resolve(a["Value"]), account.resolve(b["Value"]))
	}) {
		t.Errorf("outputs: got %v", account.Outputs)
	}
	if account.Rules != nil || account.Parameters["BootstrapVersion"] != nil {
		t.Error("asks for a bootstrap")
	}
	b, err := json.MarshalIndent(map[string]any{"Parameters": account.Parameters, "Conditions": account.Conditions, "Resources": extra}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "account.json", string(b)+"\n")
}

// comparable are a resource's properties, resolved, without what an organization's
// differs in.
func comparable(tpl template, r resource) any {
	p := maps.Clone(r.Properties)
	switch r.Type {
	case "AWS::Lambda::Function":
		delete(p, "Code")
		delete(p, "Environment")
	case "AWS::SQS::QueuePolicy":
		var kept []any
		for _, s := range pick(p, "PolicyDocument", "Statement").([]any) {
			if pick(s, "Sid") != "CentralBus" {
				kept = append(kept, s)
			}
		}
		p["PolicyDocument"] = kept
	}
	return tpl.resolve(p)
}

// TestAccountCode: the code is in the Region's bucket, under the zip's hash.
func TestAccountCode(t *testing.T) {
	files, tpl := organizationOf(t), organizationTemplate(t, accountFile)
	for _, handler := range []string{"contain", "release"} {
		_, fn := tpl.function(t, handler)
		key, _ := pick(fn, "Code", "S3Key").(string)
		if string(files[codeFolder+"/"+key]) != "zip" || key != hash([]byte("zip"))+".zip" {
			t.Errorf("%s: the code's key is %q, and the files are %v", handler, key, slices.Sorted(maps.Keys(files)))
		}
		if got := tpl.resolve(pick(fn, "Code", "S3Bucket")); got != organization.CodeBucketPrefix+"-"+testRegion {
			t.Errorf("%s: the code's bucket is %v", handler, got)
		}
	}
	url, _ := organizationTemplate(t, stackSetFile).resolve(organizationTemplate(t, stackSetFile).Resources["Accounts"].Properties["TemplateURL"]).(string)
	_, key, _ := strings.Cut(url, "amazonaws.com/")
	if got := string(files[codeFolder+"/"+key]); got != string(files[accountFile]) || !strings.HasPrefix(url, "https://CodeBucketPrefix-eu-central-1.s3.eu-central-1.") {
		t.Errorf("the StackSet deploys %s, which is not among the code's files %v", url, slices.Sorted(maps.Keys(files)))
	}
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
	if n := len(files[accountFile]); n > 1_000_000 {
		t.Errorf("the template has %d bytes, and CloudFormation takes 1 MB from S3", n)
	}
}

// TestAccountParameters: new accounts begin in observe mode, whatever the settings say;
// the other settings are the parameters' defaults, and each goes to the functions that
// read its variable.
func TestAccountParameters(t *testing.T) {
	enforcing, err := readSettings(map[string]any{"tourniquet:mode": "enforce", "tourniquet:neverDeny": "192.0.2.0/24", "tourniquet:centralBus": testBus})
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, p := range organization.Parameters(enforcing) {
		defaults[p.Name] = p.Default
	}
	if defaults["Mode"] != "observe" || defaults["NeverDeny"] != "192.0.2.0/24" || defaults["CentralBus"] != testBus || defaults["MaxContained"] != "25" {
		t.Errorf("defaults: got %v", defaults)
	}
	tpl := organizationTemplate(t, accountFile)
	for _, p := range organization.Parameters(enforcing) {
		for _, f := range []config.Function{config.Contain, config.Release} {
			_, fn := tpl.function(t, string(f))
			got, want := pick(fn, "Environment", "Variables", p.Variable), any(nil)
			if p.Variable != "" && f.Reads(p.Variable) {
				want = map[string]any{"Ref": p.Name}
			}
			if !cmp.Equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v", f, p.Name, got, want)
			}
		}
	}
}

// TestAccountPatterns: what a parameter allows is what the settings allow, as far as a
// pattern can tell.
func TestAccountPatterns(t *testing.T) {
	keys := map[string]string{"Mode": "mode", "ExemptTag": "exemptTag", "NeverDeny": "neverDeny", "MaxContained": "maxContained", "Email": "email", "CentralBus": "centralBus"}
	good := map[string][]string{
		"Mode": {"observe", "enforce"}, "ExemptTag": {"tourniquet:exempt", "team=db", "team="}, "NeverDeny": {"", "192.0.2.0/24", "192.0.2.0/24, 2001:db8::/32"},
		"MaxContained": {"1", "25", "100000"}, "Email": {"", "security@example.com"}, "CentralBus": {"", testBus, "arn:aws-cn:events:cn-north-1:444455556666:event-bus/a.b_c"},
	}
	bad := map[string][]string{
		"Mode": {"Observe", "off"}, "ExemptTag": {"=db"}, "NeverDeny": {"192.0.2.1", "example.com/24", "192.0.2.0/24;192.0.2.0/24"},
		"MaxContained": {"0", "-1", "many", "2.5"}, "Email": {"security", "A <a@b>"},
		"CentralBus": {"default", "arn:aws:events:eu-central-1:444455556666:event-bus/default", "arn:aws:sns:eu-central-1:444455556666:t"},
	}
	for _, p := range organization.Parameters(config.Settings{}) {
		key := keys[p.Name]
		if key == "" {
			continue
		}
		for _, v := range good[p.Name] {
			if _, err := readSettings(map[string]any{config.Prefix + key: v}); err != nil || !allows(p, v) {
				t.Errorf("%s: %q is refused (%v)", p.Name, v, err)
			}
		}
		for _, v := range bad[p.Name] {
			if _, err := readSettings(map[string]any{config.Prefix + key: v}); err == nil || allows(p, v) {
				t.Errorf("%s: %q is allowed", p.Name, v)
			}
		}
	}
}

// allows reports whether CloudFormation takes a value. Go has no lookahead: the one that
// keeps default buses out is tested apart.
func allows(p organization.Parameter, value string) bool {
	if len(p.Values) > 0 {
		return slices.Contains(p.Values, value)
	}
	pattern := strings.ReplaceAll(p.Pattern, organization.NotDefault, "")
	refused := pattern != p.Pattern && strings.HasSuffix(value, "/default")
	return regexp.MustCompile("^("+pattern+")$").MatchString(value) && !refused
}

// TestCentralBus: without the setting nothing is passed on. With it, the rule passes on
// this account's own events, and its role can send to that bus and do nothing else.
func TestCentralBus(t *testing.T) {
	if strings.Contains(fmt.Sprint(plain(t).Resources), centralRule) {
		t.Error("events are passed on unasked")
	}
	for name, tpl := range map[string]template{"options": withOptions(t).template, "organization": organizationTemplate(t, accountFile)} {
		bus, only := any(testBus), ""
		if name == "organization" {
			bus, only = "CentralBus", "HasCentralBus" // the parameter's value
		}
		roleID, role := tpl.one(t, "AWS::IAM::Role", "CentralBusRole")
		rule := tpl.Resources["CentralBusRule"]
		if rule.Condition != only || role.Condition != only {
			t.Errorf("%s: on the conditions %q and %q", name, rule.Condition, role.Condition)
		}
		pattern := tpl.resolve(rule.Properties["EventPattern"])
		if d := cmp.Diff(any(map[string]any{"source": []any{"tourniquet"}, "account": []any{testAccount}}), pattern); d != "" {
			t.Errorf("%s: pattern (-want +got):\n%s", name, d)
		}
		ruleARN := "arn:aws:events:" + testRegion + ":" + testAccount + ":rule/" + centralRule
		target := tpl.resolve(pick(rule.Properties, "Targets", 0))
		if pick(target, "Arn") != bus || pick(target, "RoleArn") != tpl.arn(roleID) || rule.Properties["Name"] != centralRule {
			t.Errorf("%s: target %v", name, target)
		}
		allowed := []any{map[string]any{"Sid": "SendEvents", "Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}}
		if got := tpl.resolve(pick(role.Properties, "Policies", 0, "PolicyDocument", "Statement")); !cmp.Equal(got, any(allowed)) || len(role.Properties["Policies"].([]any)) != 1 {
			t.Errorf("%s: the role may %v", name, got)
		}
		trust := tpl.resolve(pick(role.Properties, "AssumeRolePolicyDocument", "Statement", 0))
		if pick(trust, "Principal", "Service") != "events.amazonaws.com" || pick(trust, "Condition", "ArnEquals", "aws:SourceArn") != ruleARN {
			t.Errorf("%s: the role trusts %v", name, trust)
		}
	}
}

// TestNoRoleReachesIn: nobody outside an account can take on a role there.
func TestNoRoleReachesIn(t *testing.T) {
	for name := range organizationOf(t) {
		if strings.HasPrefix(name, codeFolder) {
			continue
		}
		for id, r := range organizationTemplate(t, name).of("AWS::IAM::Role") {
			for _, s := range pick(r.Properties, "AssumeRolePolicyDocument", "Statement").([]any) {
				who, _ := pick(s, "Principal").(map[string]any)
				services := []string{"lambda.amazonaws.com", "events.amazonaws.com", "vpc-flow-logs.amazonaws.com"}
				if len(who) != 1 || !slices.Contains(services, fmt.Sprint(who["Service"])) {
					t.Errorf("%s: %s trusts %v", name, id, who)
				}
			}
		}
	}
}

// TestCodeBucket: the bucket's policy lets the organization read objects, and nobody
// anything else.
func TestCodeBucket(t *testing.T) {
	tpl := organizationTemplate(t, bucketFile)
	_, policy := tpl.one(t, "AWS::S3::BucketPolicy", "")
	var allowed []any
	for _, s := range pick(policy.Properties, "PolicyDocument", "Statement").([]any) {
		if pick(s, "Effect") != "Deny" {
			allowed = append(allowed, pick(s, "Action"), pick(s, "Condition"))
		}
	}
	want := []any{"s3:GetObject", map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": map[string]any{"Ref": "OrganizationId"}}}}
	if d := cmp.Diff(want, allowed); d != "" {
		t.Errorf("allowed (-want +got):\n%s", d)
	}
	id, bucket := tpl.one(t, "AWS::S3::Bucket", "")
	if !tlsOnly(tpl, "AWS::S3::BucketPolicy", "Bucket", id) || bucket.DeletionPolicy != "Retain" {
		t.Errorf("bucket: %+v", bucket)
	}
	for name, on := range bucket.Properties["PublicAccessBlockConfiguration"].(map[string]any) {
		if on != true {
			t.Errorf("%s is %v", name, on)
		}
	}
}

// TestOrganizationGolden holds the two templates of the delegated administrator still,
// and cdk-nag's AwsSolutions pack finds nothing in them. The accounts' resources are
// those of TestNag.
func TestOrganizationGolden(t *testing.T) {
	for _, name := range []string{bucketFile, stackSetFile} {
		golden(t, name, assetHash.ReplaceAllString(string(organizationOf(t)[name]), "HASH")+"\n")
	}
	synthesize(t)
	app := newApp(t, "organization")
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	stacks := []awscdk.Stack{organization.NewBucket(app, "Bucket"), organization.NewStackSet(app, "StackSet", config.Settings{}, "key")}
	app.Synth(nil)
	for _, s := range stacks {
		annotations, anything := assertions.Annotations_FromStack(s), assertions.Match_AnyValue()
		for _, f := range append(*annotations.FindError(jsii.String("*"), anything), *annotations.FindWarning(jsii.String("*"), anything)...) {
			t.Errorf("%s: %v", *f.Id, f.Entry.Data) //nolint:staticcheck // its successor has no Go bindings yet
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
	a, _ := os.ReadFile(filepath.Join(dir, "a.json")) //nolint:gosec // our own file
	if err != nil || len(code) != 1 || filepath.Base(code[0]) != "new.zip" || string(a) != "2" {
		t.Errorf("got %v and %q (%v)", code, a, err)
	}
}
