package ledger

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A request names and values just what its expressions use.
func TestRequestOf(t *testing.T) {
	t.Parallel()
	same := textOf("same")
	for name, tc := range map[string]struct {
		condition, update expression
		names             map[string]string
		values            Item
		err               string
	}{
		"no value": {condition: ifAbsent, names: map[string]string{"#pk": "pk"}},
		"the schema": {
			condition: ifWritable, names: map[string]string{"#pk": "pk", "#schema": "schema"}, values: Item{":known": numberOf(schemaVersion)},
		},
		"both expressions": {
			condition: expression{text: "#a.#0 = :x AND NOT (#b<:y)", values: Item{":x": same, ":y": numberOf(7), ":unused": same}, names: map[string]string{"#0": "eni-1"}},
			update:    expression{text: "ADD #c :z SET #d=:x", values: Item{":z": setOf("p", "q"), ":x": same}},
			names:     map[string]string{"#a": "a", "#0": "eni-1", "#b": "b", "#c": "c", "#d": "d"},
			values:    Item{":x": textOf("same"), ":y": numberOf(7), ":z": setOf("p", "q")},
		},
		"a value is missing": {
			condition: expression{text: "#a = :x"}, err: `"#a = :x" names :x, which has no value`,
		},
		"a value of the other expression": {
			condition: expression{text: "#a = :x"}, update: expression{text: "SET #a = :x", values: Item{":x": same}}, err: "has no value",
		},
		"two values": {
			condition: expression{text: "#a = :x", values: Item{":x": numberOf(1)}}, update: expression{text: "SET #a = :x", values: Item{":x": numberOf(2)}},
			err: ":x stands for two values",
		},
	} {
		got, err := requestOf(tc.condition, tc.update)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: the error is %v, want one that says %q", name, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ignored := cmpopts.IgnoreUnexported(types.AttributeValueMemberN{}, types.AttributeValueMemberS{}, types.AttributeValueMemberSS{})
		if d := cmp.Diff(tc.names, got.names); d != "" {
			t.Errorf("%s: names (-want +got):\n%s", name, d)
		}
		if d := cmp.Diff(tc.values, got.values, ignored); d != "" {
			t.Errorf("%s: values (-want +got):\n%s", name, d)
		}
		if *got.condition != tc.condition.text || (got.update == nil) != (tc.update.text == "") {
			t.Errorf("%s: sent are %q and %v", name, *got.condition, got.update)
		}
	}
}
