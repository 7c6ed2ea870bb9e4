"""Views, quorum, election of the DC, the join handshake. Pure."""
