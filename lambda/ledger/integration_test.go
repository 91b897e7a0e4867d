//go:build integration

package ledger

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"tourniquet/lambda/emulator"
)

func TestTableOnMiniStack(t *testing.T) {
	// MiniStack applies an update before it tests the condition, and trips over the
	// path into an item that isn't there. DynamoDB tests the condition first.
	testTable(t, emulator.MiniStack(t), &http.Client{Transport: loopback{}}, "version_of_nothing")
}

func TestTableOnMoto(t *testing.T) {
	testTable(t, emulator.Moto(t), &http.Client{Transport: &oneByOne{}})
}

// oneByOne lets one request pass at a time: moto would let a transaction that
// fails undo what another one has written meanwhile.
type oneByOne struct{ mu sync.Mutex }

func (o *oneByOne) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return loopback{}.RoundTrip(r)
}

func testTable(t *testing.T, endpoint string, client *http.Client, except ...string) {
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("000000000000", "none", ""),
	})
	var tables atomic.Int64
	testLedger(t, func(t *testing.T) subject {
		table := &Table{Client: db, Name: "ledger-" + strconv.FormatInt(tables.Add(1), 10)}
		emulator.CreateTable(t, db, table.Name, PartitionKey, SortKey)
		return subject{table, func(t *testing.T, k key) { ageItem(t, table, k) }, func(t *testing.T, items ...Item) {
			t.Helper()
			for _, i := range items {
				if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table.Name, Item: i}); err != nil {
					t.Fatal(err)
				}
			}
		}}
	}, except...)
}

func ageItem(t *testing.T, table *Table, k key) {
	t.Helper()
	r, err := requestOf(
		expression{text: "attribute_exists(#pk)"},
		expression{text: "SET #schema = :schema", values: Item{":schema": numberOf(schemaVersion + 1)}},
	)
	if err == nil {
		_, err = table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &table.Name, Key: k.attributes(), UpdateExpression: r.update, ConditionExpression: r.condition,
			ExpressionAttributeNames: r.names, ExpressionAttributeValues: r.values,
		})
	}
	if err != nil {
		t.Fatalf("ageing %s: %v", k, err)
	}
}
