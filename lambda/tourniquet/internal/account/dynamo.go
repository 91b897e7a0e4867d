package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// dynamo is a table without conditions: enough to fill it through the real client, and
// to read from it. What has to hold under races is tested elsewhere.
func (a *Account) dynamo(w http.ResponseWriter, operation string, body []byte) {
	var answer bytes.Buffer
	defer func() {
		// The client compares: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(answer.Bytes())))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write(answer.Bytes())
	}()
	a.operation(w, &answer, operation, body)
}

// operation carries an operation out on the items.
func (a *Account) operation(w http.ResponseWriter, answer *bytes.Buffer, operation string, body []byte) {
	type item = map[string]json.RawMessage
	var in struct {
		Key, Item     item
		TransactItems []struct {
			Put    *struct{ Item item }
			Delete *struct{ Key item }
		}
		KeyConditionExpression    string
		ExpressionAttributeValues map[string]struct{ S string }
		ScanIndexForward          *bool
		Limit                     int
	}
	if err := json.Unmarshal(body, &in); err != nil {
		fault(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch operation {
	case "PutItem":
		a.items[keyOf(in.Item)] = in.Item
		answer.WriteString(`{}`)
	case "TransactWriteItems":
		for _, t := range in.TransactItems {
			if t.Put != nil {
				a.items[keyOf(t.Put.Item)] = t.Put.Item
			}
			if t.Delete != nil {
				delete(a.items, keyOf(t.Delete.Key))
			}
		}
		answer.WriteString(`{}`)
	case "GetItem":
		found := map[string]any{}
		if i, ok := a.items[keyOf(in.Key)]; ok {
			found["Item"] = i
		}
		_ = json.NewEncoder(answer).Encode(found)
	case "Query":
		var values []string
		for _, name := range slices.Sorted(maps.Keys(in.ExpressionAttributeValues)) {
			values = append(values, in.ExpressionAttributeValues[name].S)
		}
		prefix := strings.Join(append(values, "")[:2], "\x00")
		var keys []string
		for k := range a.items {
			if strings.HasPrefix(k, prefix) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		if in.ScanIndexForward != nil && !*in.ScanIndexForward {
			slices.Reverse(keys)
		}
		if in.Limit > 0 && len(keys) > in.Limit {
			keys = keys[:in.Limit]
		}
		found := []item{}
		for _, k := range keys {
			found = append(found, a.items[k])
		}
		_ = json.NewEncoder(answer).Encode(map[string]any{"Items": found, "Count": len(found)})
	default:
		fault(w, http.StatusBadRequest, "UnknownOperationException", operation)
	}
}

func keyOf(item map[string]json.RawMessage) string {
	var pk, sk struct{ S string }
	_ = json.Unmarshal(item["pk"], &pk)
	_ = json.Unmarshal(item["sk"], &sk)
	return pk.S + "\x00" + sk.S
}
