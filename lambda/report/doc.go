// Package report shows one incident to people: as a document (the JSON of the command)
// and as one HTML file, which has a picture of the network and needs nothing else.
package report
