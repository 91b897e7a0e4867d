package guardduty

import (
	"encoding/json"
	"strings"
	"testing"
)

// recase swaps the case of the first letter of every key but Security Hub's
// flat fields and tags, which are data.
func recase(t *testing.T, raw []byte) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(swapped(v))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func swapped(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = swapped(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if _, flat := value.(map[string]any); flat && (key == "ProductFields" || key == "Tags") {
				out[swapFirst(key)] = value
				continue
			}
			out[swapFirst(key)] = swapped(value)
		}
		return out
	}
	return v
}

func swapFirst(key string) string {
	if key == "" {
		return key
	}
	if upper := strings.ToUpper(key[:1]); upper != key[:1] {
		return upper + key[1:]
	}
	return strings.ToLower(key[:1]) + key[1:]
}
