package ledger

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"tourniquet/lambda/record"
)

// firstFields are the fields of a record that the first version of the schema has. Name
// came later: an update sets attributes and takes none away, so an older program keeps it.
var firstFields = []string{
	"Instance", "Name", "Generation", "Version", "Status", "ByPerson", "Adopted", "Reason", "Findings", "Peers", "Unreadable", "Steps",
	"Exposure", "Opened", "Updated", "Contained", "Released",
}

// Whatever an older program would lose or misread is in an item that it refuses: each
// field of a record that the first version of the schema has not, and each kind of step,
// raises the version that its item is written with. What an older program does with such
// an item is in infra/README.md, under rollback.
func TestAnOlderProgramRefusesWhatItWouldLose(t *testing.T) {
	t.Parallel()
	schema := func(r record.Record) int {
		item, err := toItem(r)
		if err != nil {
			t.Fatal(err)
		}
		return item.Schema
	}
	plain := aRecord("i-1")
	if got := schema(plain); got != schemaFirst {
		t.Fatalf("a record without measures has the schema %d, want %d: an older program could not release it", got, schemaFirst)
	}
	fields := reflect.TypeFor[record.Record]()
	for n := range fields.NumField() {
		name := fields.Field(n).Name
		if slices.Contains(firstFields, name) {
			continue
		}
		r := plain
		fill(t, name, reflect.ValueOf(&r).Elem().Field(n))
		if name == "Retaken" { // only ever beside Contested
			r.Contested = noon
		}
		if got := schema(r); got == schemaFirst {
			t.Errorf("a record with %s has the schema %d: an older program would lose it", name, got)
		}
	}
	for _, step := range []record.Step{
		record.HostOf("i-1"), record.FlowLogOf("eni-1"), record.StandbyOf("i-1", "InService"), record.SnapshotOf("i-1", map[string]string{"k": "v"}),
	} {
		r := plain
		r.Steps = append(slices.Clone(r.Steps), record.StepState{Step: step, State: record.Applied})
		if got := schema(r); got == schemaFirst {
			t.Errorf("a record with %s has the schema %d: an older program can't read it", step.ID(), got)
		}
	}
}

// fill gives a field a value that is not its zero value.
func fill(t *testing.T, name string, field reflect.Value) {
	t.Helper()
	switch {
	case field.Type() == reflect.TypeFor[time.Time]():
		field.Set(reflect.ValueOf(noon))
	case field.Kind() == reflect.Bool:
		field.SetBool(true)
	case field.Kind() == reflect.Int:
		field.SetInt(1)
	case field.Kind() == reflect.String:
		field.SetString("x")
	case field.Kind() == reflect.Slice:
		one := reflect.New(field.Type().Elem()).Elem()
		if one.Kind() == reflect.String {
			one.SetString("x")
		}
		field.Set(reflect.Append(field, one))
	case field.Kind() == reflect.Struct: // what is known of a command to a host
		field.FieldByName("Command").SetString("x")
	default:
		t.Fatalf("the test does not know how to fill %s, a %s", name, field.Type())
	}
}
