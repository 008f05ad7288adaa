package channel

// ParseSession is for the vectors.
var ParseSession = parseSession
