"""What the journeys share: a whole house, browsers that complain, and the steps that several journeys take."""
