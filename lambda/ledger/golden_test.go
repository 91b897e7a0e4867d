package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tourniquet/lambda/internal/dynamojson"
)

var values = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{},
	types.AttributeValueMemberSS{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{})

// golden are the tables that an earlier version left, by state. Package containment's
// tests wrote them, and go on from them.
func golden(t *testing.T) map[string][]Item {
	t.Helper()
	files, err := filepath.Glob("testdata/schema-*/*.json")
	if err != nil || len(files) < 19 {
		t.Fatalf("got the tables %v, %v, want 19 or more", files, err)
	}
	all := map[string][]Item{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var table struct{ Items json.RawMessage }
		if err := json.Unmarshal(text, &table); err != nil {
			t.Fatal(err)
		}
		if all[filepath.Base(file)], err = dynamojson.Unmarshal(table.Items); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return all
}

// Every ledger reads what an earlier version wrote, and all of them read the same.
func testEarlierVersion(t *testing.T, l subject, items []Item) {
	l.put(t, items...)
	m := &Memory{}
	if err := m.Put(items...); err != nil {
		t.Fatal(err)
	}
	want := subject{ledger: m}
	for _, i := range items {
		k, err := keyOf(i)
		if err != nil {
			t.Fatal(err)
		}
		instance, ofInstance := strings.CutPrefix(k.PK, pkInstance)
		if !ofInstance {
			continue
		}
		if diff := cmp.Diff(want.history(t, instance), l.history(t, instance)); diff != "" {
			t.Errorf("the history of %s (-memory +ledger):\n%s", instance, diff)
		}
		if diff := cmp.Diff(want.load(t, instance), l.load(t, instance), comparer); diff != "" {
			t.Errorf("the latest of %s (-memory +ledger):\n%s", instance, diff)
		}
		if !strings.HasPrefix(k.SK, skContainment) {
			continue
		}
		n, err := k.generation()
		if err != nil {
			t.Fatal(err)
		}
		r, err := want.Containment(t.Context(), instance, n)
		if err != nil || r == nil || r.Generation != n {
			t.Fatalf("%s is read as %v, %v", k, r, err)
		}
		got, err := l.Containment(t.Context(), instance, n)
		if diff := cmp.Diff(r, got, comparer); diff != "" || err != nil {
			t.Errorf("%s: %v (-memory +ledger):\n%s", k, err, diff)
		}
	}
	if diff := cmp.Diff(want.open(t), l.open(t)); diff != "" || want.guarded(t) != l.guarded(t) {
		t.Errorf("guard %d, want %d; open (-memory +ledger):\n%s", l.guarded(t), want.guarded(t), diff)
	}
}

// A record that an earlier version wrote loses nothing when this one writes it again.
func TestEarlierRecordsThereAndBack(t *testing.T) {
	for name, items := range golden(t) {
		for _, i := range items {
			k, err := keyOf(i)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(k.SK, skContainment) {
				continue
			}
			item, err := decode[containmentItem](i)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r, err := item.record()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r.Version--
			again, err := toItem(r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := attributevalue.MarshalMap(again)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for attribute, was := range i { // a later version may add others
				if diff := cmp.Diff(was, got[attribute], values); diff != "" {
					t.Errorf("%s: %s: %s (-written +again):\n%s", name, k, attribute, diff)
				}
			}
		}
	}
}
