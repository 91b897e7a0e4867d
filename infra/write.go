package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/infra/bundle"
	"tourniquet/infra/organization"
	"tourniquet/lambda/config"
)

// organize writes what an organization deploys: the arguments are the word, a folder, and
// settings that come on top of those of cdk.json's context.
func organize(args []string) error {
	if len(args) < 2 || args[0] != "organization" {
		return errors.New("usage: infra organization FOLDER [KEY=VALUE…], at the module's root")
	}
	raw, err := os.ReadFile("cdk.json")
	if err != nil {
		return err
	}
	var doc struct{ Context map[string]any }
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("cdk.json: %w", err)
	}
	settings, err := withMore(doc.Context, args[2:])
	if err != nil {
		return err
	}
	s, err := readSettings(settings)
	if err != nil {
		return fmt.Errorf("cdk.json's context, or KEY=VALUE:\n%w", err)
	}
	zip, err := bundle.Zip(".", string(s.Architecture))
	if err != nil {
		return err
	}
	files, err := organizationFiles(doc.Context, s, zip)
	if err != nil {
		return err
	}
	return writeAll(args[1], files)
}

// withMore is a context with more settings, as KEY=VALUE.
func withMore(context map[string]any, more []string) (map[string]any, error) {
	all := map[string]any{}
	maps.Copy(all, context)
	for _, kv := range more {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(key, config.Prefix) {
			return nil, fmt.Errorf("invalid setting %q: want KEY=VALUE, such as %sminSeverity=6", kv, config.Prefix)
		}
		all[key] = value
	}
	return all, nil
}

// writeAll writes files, by name, and takes out code of earlier times, so that what is
// copied to the buckets is what was written.
func writeAll(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(filepath.Join(dir, codeFolder)); err != nil { //nolint:gosec // whoever runs it names the folder
		return err
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil { //nolint:gosec // likewise
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// The files. What is in codeFolder goes to the bucket of each Region.
const (
	codeFolder    = "code"
	accountFile   = "account.template.json"
	bucketFile    = "bucket.template.json"
	stackSetFile  = "administrator.template.json"
	templateInKey = ".template.json"
)

// organizationFiles are what an organization deploys, by name. A name in codeFolder begins
// with the hash of what the file holds.
func organizationFiles(context map[string]any, s config.Settings, zip []byte) (map[string][]byte, error) {
	zipKey := hash(zip) + ".zip"
	account, err := synthesizeOne(context, func(app awscdk.App) awscdk.Stack {
		return NewStack(app, "Tourniquet", Props{Settings: s, CodeKey: zipKey})
	})
	if err != nil {
		return nil, err
	}
	bucket, err := synthesizeOne(context, func(app awscdk.App) awscdk.Stack { return organization.NewBucket(app, "TourniquetCode") })
	if err != nil {
		return nil, err
	}
	templateKey := hash(account) + templateInKey
	stackSet, err := synthesizeOne(context, func(app awscdk.App) awscdk.Stack {
		return organization.NewStackSet(app, "TourniquetOrganization", s, templateKey)
	})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		accountFile: account, bucketFile: bucket, stackSetFile: stackSet,
		codeFolder + "/" + zipKey: zip, codeFolder + "/" + templateKey: account,
	}, nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// synthesizeOne is the template of one stack.
func synthesizeOne(context map[string]any, add func(awscdk.App) awscdk.Stack) ([]byte, error) {
	dir, err := os.MkdirTemp("", "tourniquet-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), Context: &context, AnalyticsReporting: jsii.Bool(false)})
	stack := add(app)
	app.Synth(nil)
	return os.ReadFile(filepath.Join(dir, *stack.TemplateFile())) //nolint:gosec // our own file
}
