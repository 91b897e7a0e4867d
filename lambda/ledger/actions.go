package ledger

// Actions are the IAM actions that the ledger needs, each of an operation in this
// package. A transaction needs those of its parts, and none of its own.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
var Actions = []string{
	"dynamodb:ConditionCheckItem", // leaving a pointer or the guard as it is
	"dynamodb:DeleteItem",         // freeing a slot, closing a containment
	"dynamodb:GetItem",            // one generation of a containment
	"dynamodb:PutItem",            // opening a containment, noting an event
	"dynamodb:Query",              // loading
	"dynamodb:UpdateItem",         // going on with a containment, changing slots, counting
}
