"""jobd's requests: archives in, archives out."""
