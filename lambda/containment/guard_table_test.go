//go:build integration

package containment_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"tourniquet/lambda/emulator"
	"tourniquet/lambda/ledger"
)

func TestGuardIsExactOnMiniStack(t *testing.T) {
	endpoint := emulator.MiniStack(t)
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("000000000000", "none", ""),
	})
	table := &ledger.Table{Client: db, Name: "ledger"}
	emulator.CreateTable(t, db, table.Name, ledger.PartitionKey, ledger.SortKey)
	testGuard(t, table)
	if n, err := table.GuardCount(t.Context()); n != 25 || err != nil {
		t.Errorf("the guard counts %d (%v), want 25", n, err)
	}
}
