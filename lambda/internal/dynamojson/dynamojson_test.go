package dynamojson

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var ignored = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{},
	types.AttributeValueMemberSS{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{})

func TestThereAndBack(t *testing.T) {
	items := []Item{
		{"s": &types.AttributeValueMemberS{Value: "<a&b> \x01 ä"}, "n": &types.AttributeValueMemberN{Value: "12345678901234567890"}},
		{
			"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{
				&types.AttributeValueMemberBOOL{Value: false}, &types.AttributeValueMemberNULL{Value: true},
				&types.AttributeValueMemberM{Value: Item{"in": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}}},
			}},
			"empty": &types.AttributeValueMemberL{Value: []types.AttributeValue{}}, "none": &types.AttributeValueMemberM{Value: Item{}},
		},
	}
	text, err := Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(items, got, ignored); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNoItem(t *testing.T) {
	for _, text := range []string{
		``, `{}`, `[1]`, `[{"a":1}]`, `[{"a":{}}]`, `[{"a":{"S":"x","N":"1"}}]`, `[{"a":{"X":"x"}}]`, `[{"a":{"N":1}}]`,
		`[{"a":{"L":[{"M":{"b":{"S":false}}}]}}]`, `[{"a":{"M":[]}}]`, `[{"a":{"L":{}}}]`,
	} {
		if got, err := Unmarshal([]byte(text)); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
	if got, err := Marshal([]Item{{"b": &types.AttributeValueMemberB{}}}); err == nil {
		t.Errorf("binary data: got %s, want an error", got)
	}
}
