package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"tourniquet/lambda/policy"
)

// Every field has one row of the table, every row a field, a name and a meaning.
func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	var s Settings
	fields := map[any]string{}
	for _, part := range []any{&s.Config, &s.Stack} {
		v := reflect.ValueOf(part).Elem()
		for i := range v.NumField() {
			fields[v.Field(i).Addr().Interface()] = v.Type().Field(i).Name
		}
	}
	names := map[string]bool{}
	for _, row := range All {
		field := row.field(&s)
		if fields[field] == "" {
			t.Errorf("%s%s: no field, or one that another row has", row.Key, row.Variable)
		}
		delete(fields, field)
		for _, name := range []string{row.Key, row.Variable} {
			if name != "" && names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
		}
		if row.Key == "" && row.Variable == "" || row.Meaning == "" || (row.Variable == "") != (len(row.For) == 0) {
			t.Errorf("%s%s: a row lacks a name, a meaning or its readers: %+v", row.Key, row.Variable, row)
		}
	}
	for _, name := range fields {
		t.Errorf("no row sets %s", name)
	}
}

// A variable is named like its key, so that who knows one knows the other.
func TestVariablesAreNamedLikeTheirKeys(t *testing.T) {
	t.Parallel()
	capital := regexp.MustCompile(`[A-Z]`)
	for _, row := range All {
		want := "TOURNIQUET_" + strings.ToUpper(capital.ReplaceAllString(row.Key, "_$0"))
		if row.Key != "" && strings.HasPrefix(row.Variable, "TOURNIQUET_") && row.Variable != want {
			t.Errorf("%s: the variable is %s, want %s", row.Key, row.Variable, want)
		}
	}
}

// Each default is one that the row itself accepts, and changes the field.
func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	for _, row := range All {
		var s Settings
		if row.Default == "" {
			continue
		}
		if err := row.set(&s, row.Default); err != nil {
			t.Errorf("%s: %v", row.Key, err)
		}
	}
	var c Settings
	for _, row := range All {
		if row.Variable == MinSeverity {
			_ = row.set(&c, row.Default) // tested above
		}
	}
	if c.MinSeverity != policy.DefaultMinSeverity {
		t.Errorf("severity: got %v, want the domain's %v", c.MinSeverity, policy.DefaultMinSeverity)
	}
}

// A rung at its default is off where the stack has not deployed what it needs. A
// value that turns it on by name is an error then.
func TestSettingsThatNeedOthers(t *testing.T) {
	t.Parallel()
	rows := []Setting{{
		Variable: "RUNG", For: both, Default: "auto", Off: "off", Needs: []string{"DOCUMENT", "ROLE"}, Meaning: "a rung",
		value: in(func(s *Settings) *string { return &s.Table }, text),
	}}
	for _, tc := range []struct {
		vars       map[string]string
		want, says string
	}{
		{map[string]string{}, "off", ""},
		{map[string]string{"DOCUMENT": "d"}, "off", ""},
		{map[string]string{"DOCUMENT": "d", "ROLE": "r"}, "auto", ""},
		{map[string]string{"RUNG": "always", "DOCUMENT": "d", "ROLE": "r"}, "always", ""},
		{map[string]string{"RUNG": "off"}, "off", ""},
		{map[string]string{"RUNG": "always", "ROLE": " "}, "", `RUNG: "always" needs DOCUMENT and ROLE`},
		{map[string]string{"RUNG": "auto", "DOCUMENT": "d"}, "off", ""},
	} {
		got, err := parseRows(rows, tc.vars)
		if got.Table != tc.want || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%v: got %q (%v), want %q, %q", tc.vars, got.Table, err, tc.want, tc.says)
		}
	}
}
