// Package dynamojson writes items of a DynamoDB table as text and reads them back,
// with the type of each attribute. The form is that of DynamoDB's API and of the
// AWS command line. Tests keep items in it that an earlier version has written.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
package dynamojson

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An Item is an item as the SDK has it.
type Item = map[string]types.AttributeValue

// Marshal writes items, one a line, with the attributes' names in order. It fails for
// a value whose type no item of the ledger has (binary data, sets of numbers).
func Marshal(items []Item) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('[')
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for n, i := range items {
		if n > 0 {
			b.WriteByte(',')
		}
		plain, err := fromMap(i)
		if err != nil {
			return nil, err
		}
		if err := e.Encode(plain); err != nil {
			return nil, err
		}
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

func fromMap(m Item) (map[string]any, error) {
	plain := map[string]any{}
	for name, v := range m {
		typed, err := from(v)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		plain[name] = typed
	}
	return plain, nil
}

func from(v types.AttributeValue) (map[string]any, error) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}, nil
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}, nil
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}, nil
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": v.Value}, nil
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": v.Value}, nil
	case *types.AttributeValueMemberM:
		m, err := fromMap(v.Value)
		return map[string]any{"M": m}, err
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for n, e := range v.Value {
			plain, err := from(e)
			if err != nil {
				return nil, err
			}
			list[n] = plain
		}
		return map[string]any{"L": list}, nil
	default:
		return nil, fmt.Errorf("a value of the type %T", v)
	}
}

// Unmarshal reads what Marshal writes. It fails for a value without exactly one
// known type.
func Unmarshal(text []byte) ([]Item, error) {
	var all []map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	items := make([]Item, len(all))
	for n, plain := range all {
		i, err := toMap(plain)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", n, err)
		}
		items[n] = i
	}
	return items, nil
}

func toMap(plain map[string]json.RawMessage) (Item, error) {
	m := Item{}
	for name, raw := range plain {
		v, err := to(raw)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		m[name] = v
	}
	return m, nil
}

func to(raw json.RawMessage) (types.AttributeValue, error) {
	var typed map[string]json.RawMessage
	if err := json.Unmarshal(raw, &typed); err != nil {
		return nil, err
	}
	if len(typed) != 1 {
		return nil, fmt.Errorf("a value with %d types", len(typed))
	}
	for kind, value := range typed {
		return ofKind(kind, value)
	}
	return nil, nil
}

func ofKind(kind string, value json.RawMessage) (types.AttributeValue, error) {
	switch kind {
	case "S":
		v := &types.AttributeValueMemberS{}
		return v, json.Unmarshal(value, &v.Value)
	case "N":
		v := &types.AttributeValueMemberN{}
		return v, json.Unmarshal(value, &v.Value)
	case "BOOL":
		v := &types.AttributeValueMemberBOOL{}
		return v, json.Unmarshal(value, &v.Value)
	case "NULL":
		v := &types.AttributeValueMemberNULL{}
		return v, json.Unmarshal(value, &v.Value)
	case "SS":
		v := &types.AttributeValueMemberSS{}
		return v, json.Unmarshal(value, &v.Value)
	case "M":
		var plain map[string]json.RawMessage
		if err := json.Unmarshal(value, &plain); err != nil {
			return nil, err
		}
		m, err := toMap(plain)
		return &types.AttributeValueMemberM{Value: m}, err
	case "L":
		return toList(value)
	default:
		return nil, fmt.Errorf("a value of the unknown type %q", kind)
	}
}

func toList(value json.RawMessage) (types.AttributeValue, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(value, &all); err != nil {
		return nil, err
	}
	list := &types.AttributeValueMemberL{Value: make([]types.AttributeValue, len(all))}
	for n, raw := range all {
		v, err := to(raw)
		if err != nil {
			return nil, err
		}
		list.Value[n] = v
	}
	return list, nil
}
