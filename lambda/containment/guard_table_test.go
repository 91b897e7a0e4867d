//go:build integration

package containment_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/internal/emulator"
	"tourniquet/lambda/ledger"
)

func TestGuardIsExactOnMiniStack(t *testing.T) {
	endpoint := emulator.MiniStack(t)
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("000000000000", "none", ""),
	})
	table := &ledger.Table{Client: db, Name: "ledger"}
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table.Name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(ledger.PartitionKey), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(ledger.SortKey), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(ledger.PartitionKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(ledger.SortKey), AttributeType: types.ScalarAttributeTypeS},
		},
	})
	if err != nil {
		t.Fatalf("creating the table: %v", err)
	}
	testGuard(t, table)
	if n, err := table.GuardCount(t.Context()); n != 25 || err != nil {
		t.Errorf("the guard counts %d (%v), want 25", n, err)
	}
}
