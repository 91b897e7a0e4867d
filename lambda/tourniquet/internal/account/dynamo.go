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

type item = map[string]json.RawMessage

// A call is what an operation of DynamoDB is given, as far as it is served.
type call struct {
	Key, Item     item
	TransactItems []struct {
		Put    *struct{ Item item }
		Delete *struct{ Key item }
	}
	ExpressionAttributeValues map[string]struct{ S string }
	ScanIndexForward          *bool
	Limit                     int
}

// operation carries an operation out on the items.
func (a *Account) operation(w http.ResponseWriter, answer *bytes.Buffer, operation string, body []byte) {
	var in call
	if err := json.Unmarshal(body, &in); err != nil {
		fault(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[string]any{}
	switch operation {
	case "PutItem":
		a.items[keyOf(in.Item)] = in.Item
	case "TransactWriteItems":
		a.write(in)
	case "GetItem":
		if i, ok := a.items[keyOf(in.Key)]; ok {
			found["Item"] = i
		}
	case "Query":
		items := a.query(in)
		found["Items"], found["Count"] = items, len(items)
	default:
		fault(w, http.StatusBadRequest, "UnknownOperationException", operation)
		return
	}
	_ = json.NewEncoder(answer).Encode(found)
}

func (a *Account) write(in call) {
	for _, t := range in.TransactItems {
		if t.Put != nil {
			a.items[keyOf(t.Put.Item)] = t.Put.Item
		}
		if t.Delete != nil {
			delete(a.items, keyOf(t.Delete.Key))
		}
	}
}

// query finds the items under a partition key and, where one is given, a prefix of the
// sort key.
func (a *Account) query(in call) []item {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(in.ExpressionAttributeValues)) {
		values = append(values, in.ExpressionAttributeValues[name].S)
	}
	prefix := strings.Join(append(values, "")[:2], "\x00")
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(a.items)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
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
	return found
}

func keyOf(i item) string {
	var pk, sk struct{ S string }
	_ = json.Unmarshal(i["pk"], &pk)
	_ = json.Unmarshal(i["sk"], &sk)
	return pk.S + "\x00" + sk.S
}
