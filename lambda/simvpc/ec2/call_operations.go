package ec2

const paged = "MaxResults NextToken Filter "

// callOperations are the actions on any resource.
var callOperations = map[string]operation{
	"DescribeTags": reads(paged, describeTags),
	"CreateTags":   changes("ResourceId Tag", createTags),
	"DeleteTags":   changes("ResourceId Tag", deleteTags),
}
