package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
	"tourniquet/lambda/ledger"
)

// newTable adds the ledger. It outlives the stack, because nothing else says in full
// which groups to restore and which ACL entries to remove.
func newTable(stack awscdk.Stack, key awskms.Key) awsdynamodb.Table {
	props := &awsdynamodb.TableProps{
		PartitionKey:       &awsdynamodb.Attribute{Name: jsii.String(ledger.PartitionKey), Type: awsdynamodb.AttributeType_STRING},
		SortKey:            &awsdynamodb.Attribute{Name: jsii.String(ledger.SortKey), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:        awsdynamodb.BillingMode_PAY_PER_REQUEST,
		DeletionProtection: jsii.Bool(true),
		RemovalPolicy:      awscdk.RemovalPolicy_RETAIN,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		Encryption: awsdynamodb.TableEncryption_DEFAULT, // a key that AWS owns
	}
	if key != nil {
		props.Encryption, props.EncryptionKey = awsdynamodb.TableEncryption_CUSTOMER_MANAGED, key
	}
	return awsdynamodb.NewTable(stack, jsii.String("Ledger"), props)
}

// newKey adds the ledger's key; nil: AWS's own key is used. The key outlives the stack
// as the table does, because the table can't be read without it.
func newKey(stack awscdk.Stack, e config.Encryption) awskms.Key {
	if e != config.CustomerManaged {
		return nil
	}
	return awskms.NewKey(stack, jsii.String("LedgerKey"), &awskms.KeyProps{
		Description:       jsii.String("Tourniquet's ledger"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
	})
}
