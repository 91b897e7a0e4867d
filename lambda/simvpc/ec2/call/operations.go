// Package call is what the operations of a simulated EC2 have in common: a call with
// its parameters, the kinds of resources with EC2's words for them, how resources
// are found by ID, filter and page, and tags.
package call

// Paged are the parameters of operations that answer page by page.
const Paged = "MaxResults NextToken Filter "

// Operations are the actions on any resource.
var Operations = map[string]Operation{
	"DescribeTags": Reads(Paged, describeTags),
	"CreateTags":   Changes("ResourceId Tag", createTags),
	"DeleteTags":   Changes("ResourceId Tag", deleteTags),
}
